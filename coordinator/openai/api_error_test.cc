#include "coordinator/openai/api_error.h"

#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

TEST(ApiError, Body) {
  EXPECT_EQ(ErrorBody(BadRequest("", "no")),
            R"({"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}})");
  EXPECT_EQ(ErrorBody(BadRequest("p", "no", "c")),
            R"({"error":{"message":"no","type":"invalid_request_error","param":"p","code":"c"}})");
  EXPECT_EQ(ApiErrorOf(FailureKind::kQueueFull, "").status, 429);
  EXPECT_EQ(ApiErrorOf(FailureKind::kContextLength, "").code, "context_length_exceeded");
  EXPECT_EQ(ApiErrorOf(FailureKind::kContextLength, "").param, "max_tokens");
  for (const FailureKind kind : {FailureKind::kNoPipeline, FailureKind::kPipelineRestarted,
                                 FailureKind::kQueueTimeout, FailureKind::kShuttingDown}) {
    EXPECT_EQ(ApiErrorOf(kind, "").status, 503);
    EXPECT_GT(ApiErrorOf(kind, "").retry_after_s, 0);
    EXPECT_LE(ApiErrorOf(kind, "").retry_after_s, 120) << "clients do not wait longer";
  }
}

TEST(ApiError, ADeadlineThatTheClientNamedIsNotToBeTriedAgain) {
  const ApiError error = ApiErrorOf(FailureKind::kDeadline, "");
  EXPECT_EQ(error.status, 408);
  EXPECT_EQ(error.type, "invalid_request_error");
  EXPECT_EQ(error.code, "deadline_exceeded");
  EXPECT_EQ(error.param, "timeout");
  EXPECT_EQ(error.retry_after_s, 0);
  EXPECT_TRUE(error.no_retry);
}

TEST(ApiError, AFailureOfAStageIsTheServers) {
  const ApiError error = ApiErrorOf(FailureKind::kStageFailed, "");
  EXPECT_EQ(error.status, 500);
  EXPECT_EQ(error.type, "server_error");
  EXPECT_EQ(error.code, "stage_failed");
}

TEST(ApiError, TypesByStatus) {
  EXPECT_EQ(ErrorOfStatus(401, "").type, "invalid_request_error") << "as OpenAI's";
  EXPECT_EQ(ErrorOfStatus(403, "").type, "permission_error");
  EXPECT_EQ(ErrorOfStatus(415, "").type, "invalid_request_error");
  EXPECT_EQ(ErrorOfStatus(422, "").type, "invalid_request_error");
  EXPECT_EQ(ErrorOfStatus(429, "").type, "rate_limit_error");
  EXPECT_GT(ErrorOfStatus(429, "").retry_after_s, 0);
  EXPECT_EQ(ErrorOfStatus(500, "").type, "server_error");
  EXPECT_EQ(ErrorOfStatus(500, "").retry_after_s, 0);
}

}  // namespace
}  // namespace exeunt::coordinator
