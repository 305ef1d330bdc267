#include "text/jinja/name_check.h"

#include "base/error.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {
namespace {

Status CheckBlock(const Block& block, bool conditional);

Status CheckExpr(const Expr* expr, bool conditional) {
  if (expr == nullptr) return OkStatus();
  conditional = conditional || expr->kind == ExprKind::kCond;
  if (!conditional && expr->kind == ExprKind::kFilter && !IsFilter(expr->name)) {
    return Unimplemented("line {}: the filter '{}' is not supported", expr->line, expr->name.substr(0, 100));
  }
  if (!conditional && expr->kind == ExprKind::kTest && !IsTest(expr->name)) {
    return Unimplemented("line {}: the test '{}' is not supported", expr->line, expr->name.substr(0, 100));
  }
  for (const ExprPtr& arg : expr->args) RETURN_IF_ERROR(CheckExpr(arg.get(), conditional));
  for (const auto& [name, value] : expr->kwargs) RETURN_IF_ERROR(CheckExpr(value.get(), conditional));
  RETURN_IF_ERROR(CheckExpr(expr->star.get(), conditional));
  return CheckExpr(expr->double_star.get(), conditional);
}

Status CheckStmt(const Stmt& stmt, bool conditional) {
  // As in Jinja, a statement that opens a scope inside an `if` is checked again.
  const bool inner = stmt.kind == StmtKind::kIf;
  if (stmt.kind == StmtKind::kFilter || stmt.kind == StmtKind::kSetBlock) conditional = false;
  for (const Branch& branch : stmt.branches) {
    RETURN_IF_ERROR(CheckExpr(branch.condition.get(), true));
    RETURN_IF_ERROR(CheckBlock(branch.body, true));
  }
  RETURN_IF_ERROR(CheckExpr(stmt.expr.get(), conditional));
  RETURN_IF_ERROR(CheckExpr(stmt.condition.get(), conditional));
  for (const auto& [target, value] : stmt.assignments) RETURN_IF_ERROR(CheckExpr(value.get(), conditional));
  if (stmt.macro != nullptr) {
    for (const ExprPtr& value : stmt.macro->defaults) RETURN_IF_ERROR(CheckExpr(value.get(), false));
    RETURN_IF_ERROR(CheckBlock(stmt.macro->body, false));
  }
  RETURN_IF_ERROR(CheckBlock(stmt.body, inner));
  return CheckBlock(stmt.otherwise, inner);
}

Status CheckBlock(const Block& block, bool conditional) {
  for (const StmtPtr& stmt : block) RETURN_IF_ERROR(CheckStmt(*stmt, conditional));
  return OkStatus();
}

}  // namespace

Status CheckNames(const Block& block) { return CheckBlock(block, false); }

}  // namespace exeunt::text::jinja
