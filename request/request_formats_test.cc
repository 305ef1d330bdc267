// Every field of a request in all of its formats: set to something else than its default, written, read,
// compared.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "request/request_fields.h"
#include "request/request_json.h"
#include "request/request_log.h"
#include "transport/request_message.h"

namespace exeunt {
namespace {

// ---- a value that is no default; floats and large numbers that a detour over decimals could change

void Fill(bool* value) { *value = true; }
void Fill(int* value) { *value = 3; }
void Fill(uint32_t* value) { *value = 7; }
void Fill(uint64_t* value) { *value = UINT64_MAX - 4; }
void Fill(float* value) { *value = 0.1F + 0.2F; }
void Fill(std::string* value) { *value = "key \"a\\b\"\n\tz\xC3\xA9"; }
void Fill(Duration* value) { *value = Duration{1'500'000'001}; }
void Fill(ExitMode* value) { *value = ExitMode::kVerify; }
void Fill(ExitMeasure* value) { *value = ExitMeasure::kCandidates; }
template <typename T>
void Fill(std::optional<T>* value);
template <typename T>
void Fill(std::vector<T>* value);
template <HasFields T>
void Fill(T* value) {
  ForEachField(*value, [](const char*, auto& member) { Fill(&member); });
}
template <typename T>
void Fill(std::optional<T>* value) {
  Fill(&value->emplace());
}
template <typename T>
void Fill(std::vector<T>* value) {
  for (int i = 0; i < 2; ++i) Fill(&value->emplace_back());
}

SequenceRequest OverProto(const SequenceRequest& request) {
  proto::OpenSequence message;
  transport::ToProto(request, &message);
  proto::OpenSequence read;
  EXPECT_TRUE(read.ParseFromString(message.SerializeAsString()));
  return transport::RequestFromProto(read);
}
SequenceRequest OverJson(const SequenceRequest& request) { return RequestFromJson(ToJson(request)).value(); }
SequenceRequest OverLog(const SequenceRequest& request) {
  return ReadRequestLogLine(RequestLogLine(request)).value();
}

void ExpectInEveryFormat(const SequenceRequest& request, const std::string& what) {
  EXPECT_EQ(OverProto(request), request) << what << " is missing in protobuf";
  EXPECT_EQ(OverJson(request), request) << what << " is missing in JSON";
  EXPECT_EQ(OverLog(request), request) << what << " is missing in the log";
}

// Calls test(request, name) once for every field, with a request in which that field alone is set. `find`
// leads from a request to the struct whose fields they are.
template <typename Find, typename Test>
void ForEachFilled(const Find& find, const Test& test) {
  SequenceRequest names;
  ForEachField(find(names), [&](const char* name, auto&) {
    SequenceRequest request;
    ForEachField(find(request), [&](const char* field, auto& member) {
      if (std::string(field) == name) Fill(&member);
    });
    test(request, name);
  });
}

template <typename Find>
void ExpectFields(const Find& find) {
  SequenceRequest unset;
  find(unset);
  ForEachFilled(find, [&](const SequenceRequest& request, const std::string& name) {
    EXPECT_NE(request, unset) << name << " was not set";
    ExpectInEveryFormat(request, name);
  });
}

TEST(RequestFormats, EachHasEveryField) {
  ExpectFields([](SequenceRequest& r) -> SequenceRequest& { return r; });
  ExpectFields([](SequenceRequest& r) -> SamplingParams& { return r.sampling; });
  ExpectFields([](SequenceRequest& r) -> ExitSetting& { return r.exit; });
  // Of a struct in a list or an option, one is there in either request.
  ExpectFields(
      [](SequenceRequest& r) -> ExitDecay& { return r.exit.decay ? *r.exit.decay : r.exit.decay.emplace(); });
  const auto only = [](auto& list) -> auto& { return list.empty() ? list.emplace_back() : list.front(); };
  ExpectFields([&](SequenceRequest& r) -> LoggedToken& { return only(r.generated); });
  ExpectFields([&](SequenceRequest& r) -> LogitBias& { return only(r.sampling.logit_bias); });
  ExpectFields([&](SequenceRequest& r) -> ForcedExit& { return only(r.exit.forced); });
}

TEST(RequestFormats, EachHasAllFieldsTogetherAndNone) {
  ExpectInEveryFormat(SequenceRequest{}, "a default");
  SequenceRequest all;
  Fill(&all);
  ExpectInEveryFormat(all, "a field");
}

template <typename T>
size_t Listed() {
  size_t count = 0;
  T value;
  ForEachField(value, [&](const char*, auto&) { ++count; });
  return count;
}

// A new member breaks its line here, and the count says whether the list has it.
TEST(RequestFormats, TheListHasEveryMember) {
  const auto count = [](const auto&... members) { return sizeof...(members); };
  {
    const auto& [a, b, c, d, e, f, g, h, i, j, k] = SequenceRequest{};
    EXPECT_EQ(Listed<SequenceRequest>(), count(a, b, c, d, e, f, g, h, i, j, k));
  }
  {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = SamplingParams{};
    EXPECT_EQ(Listed<SamplingParams>(), count(a, b, c, d, e, f, g, h, i, j, k, l, m, n));
  }
  {
    const auto& [a, b, c, d, e, f] = ExitSetting{};
    EXPECT_EQ(Listed<ExitSetting>(), count(a, b, c, d, e, f));
  }
  {
    const auto& [a, b] = LoggedToken{};
    EXPECT_EQ(Listed<LoggedToken>(), count(a, b));
  }
  {
    const auto& [a, b] = LogitBias{};
    EXPECT_EQ(Listed<LogitBias>(), count(a, b));
  }
  {
    const auto& [a, b] = ExitDecay{};
    EXPECT_EQ(Listed<ExitDecay>(), count(a, b));
  }
  {
    const auto& [a, b] = ForcedExit{};
    EXPECT_EQ(Listed<ForcedExit>(), count(a, b));
  }
}

TEST(RequestFormats, ProtobufKeepsNumbersThatAreTooLargeTooLarge) {
  proto::OpenSequence message;
  message.set_max_tokens(UINT32_MAX);
  EXPECT_EQ(transport::RequestFromProto(message).max_tokens, INT32_MAX);
  message.mutable_exit()->set_mode(300);
  EXPECT_EQ(static_cast<uint32_t>(transport::RequestFromProto(message).exit.mode), 300U);
}

TEST(RequestFormats, EndReasonsTravel) {
  for (const EndReason reason : {EndReason::kStop, EndReason::kLength, EndReason::kCancelled})
    EXPECT_EQ(transport::FromProto(transport::ToProto(reason)), reason) << EndReasonName(reason);
}

}  // namespace
}  // namespace exeunt
