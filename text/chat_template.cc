#include "text/chat_template.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/mmap.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace exeunt::text {
namespace {

constexpr int64_t kMaxSteps = 8'000'000;
constexpr size_t kMaxOutputBytes = size_t{32} << 20;
constexpr size_t kMaxFileBytes = size_t{1} << 20;

class JinjaTemplate : public ChatTemplate {
 public:
  explicit JinjaTemplate(jinja::Block block) : block_(std::move(block)) {}

  Result<std::string> Render(const boost::json::object& variables) const override {
    jinja::Interpreter interpreter(kMaxSteps, kMaxOutputBytes);
    std::vector<std::pair<std::string, jinja::Value>> names;
    for (const auto& variable : variables) {
      ASSIGN_OR_RETURN(jinja::Value value, jinja::Value::FromJson(variable.value(), interpreter.budget()));
      names.emplace_back(std::string(variable.key()), std::move(value));
    }
    return interpreter.Render(block_, std::move(names));
  }

 private:
  jinja::Block block_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::Parse(std::string_view source) {
  ASSIGN_OR_RETURN(jinja::Block block, jinja::Parse(source));
  return std::shared_ptr<const ChatTemplate>(std::make_shared<JinjaTemplate>(std::move(block)));
}

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::FromFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxFileBytes));
  auto parsed = Parse(text);
  if (!parsed) return Annotate(parsed.error(), path);
  return parsed;
}

}  // namespace exeunt::text
