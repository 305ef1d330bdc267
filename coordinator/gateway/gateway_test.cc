// The REST API end to end, plain answers, against fake workers over real control connections.
#include "coordinator/gateway/gateway.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cctype>
#include <set>
#include <tuple>

#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

TEST(Gateway, Completion) {
  TestServer server(WithReply("to you"));
  const HttpReply reply = Complete(server, R"("max_tokens":20)");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(At(reply, "/object"), R"("text_completion")");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("to you")");
  EXPECT_EQ(At(reply, "/choices/0/finish_reason"), R"("stop")");
  EXPECT_EQ(At(reply, "/usage/prompt_tokens"), "5");
  EXPECT_EQ(At(reply, "/usage/completion_tokens"), "7") << "the end token counts";
  EXPECT_EQ(At(reply, "/usage/exit/by_layer"), R"({"12":4,"30":3})");
  EXPECT_EQ(At(reply, "/usage/exit/layers_skipped"), "72");
  EXPECT_EQ(At(reply, "/model"), R"("fake")");
  EXPECT_FALSE(reply.headers.at("x-request-id").empty());
}

TEST(Gateway, LengthEndsACompletion) {
  TestServer server(WithReply(""));
  const HttpReply reply = Complete(server, R"("max_tokens":3)");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("xxx")");
  EXPECT_EQ(At(reply, "/choices/0/finish_reason"), R"("length")");
  EXPECT_EQ(At(Complete(server, R"("seed":1)"), "/usage/completion_tokens"), "100") << "the server's default";
}

TEST(Gateway, Chat) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string& prompt) { return prompt; };
  TestServer server(options);
  const HttpReply reply = Fetch(server.port(), "POST", "/v1/chat/completions",
                                R"({"model":"fake","messages":[{"role":"user","content":"hi"}]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(At(reply, "/object"), R"("chat.completion")");
  EXPECT_EQ(At(reply, "/choices/0/message/content"), R"("|user:hi\nassistant:")");
  EXPECT_EQ(At(reply, "/choices/0/message/role"), R"("assistant")");
}

TEST(Gateway, SeveralPromptsAndChoices) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string& prompt) { return fmt::format("<{}>", prompt); };
  TestServer server(options);
  const HttpReply reply = Fetch(server.port(), "POST", "/v1/completions",
                                R"({"model":"fake","prompt":["a","bc"],"n":2,"max_tokens":9})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const char* texts[] = {"<a>", "<a>", "<bc>", "<bc>"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(At(reply, fmt::format("/choices/{}/text", i)), fmt::format("\"{}\"", texts[i]));
    EXPECT_EQ(At(reply, fmt::format("/choices/{}/index", i)), std::to_string(i));
  }
  EXPECT_EQ(At(reply, "/usage/prompt_tokens"), "3") << "each prompt once";
  EXPECT_EQ(At(reply, "/usage/completion_tokens"), "18");
}

TEST(Gateway, StopStringsEndAndAreNotShown) {
  TestServer server(WithReply("one two three four"));
  const HttpReply reply = Complete(server, R"("stop":["zzz"," three"],"logprobs":0)");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("one two")");
  EXPECT_EQ(At(reply, "/choices/0/finish_reason"), R"("stop")");
  EXPECT_EQ(At(reply, "/usage/completion_tokens"), "13");
  EXPECT_EQ(reply.Json().at_pointer("/choices/0/logprobs/tokens").as_array().size(), 7U);
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
}

TEST(Gateway, AStopStringCancelsWhatWouldRunOn) {
  TestServerOptions options = WithReply("");
  options.core.context_length = 100'000'000;
  options.cluster.kv_pages = 100'000'000;
  TestServer server(options);
  const HttpReply reply = Complete(server, R"("stop":"xxxx","max_tokens":90000000)");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("")");
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
  EXPECT_EQ(server.cluster().cancels, 1);
}

TEST(Gateway, LogprobsInBothFormats) {
  TestServer server(WithReply("ab"));
  const HttpReply completion = Complete(server, R"("logprobs":2)");
  EXPECT_EQ(
      At(completion, "/choices/0/logprobs"),
      R"({"tokens":["a","b"],"token_logprobs":[-0.5,-0.5],"top_logprobs":[{"a":-1,"b":-2},{"a":-1,"b":-2}],)"
      R"("text_offset":[0,1]})");
  const HttpReply chat = Fetch(
      server.port(), "POST", "/v1/chat/completions",
      R"({"model":"fake","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":1})");
  EXPECT_EQ(
      At(chat, "/choices/0/logprobs/content/1"),
      R"({"token":"b","logprob":-0.5,"bytes":[98],"top_logprobs":[{"token":"a","logprob":-1,"bytes":[97]}]})");
}

TEST(Gateway, EchoPutsThePromptBeforeTheAnswer) {
  TestServer server(WithReply("abcdefg"));
  const HttpReply plain = Complete(server, R"("echo":true,"n":2)");
  EXPECT_EQ(At(plain, "/choices/0/text"), R"("Helloabcdefg")");
  EXPECT_EQ(At(plain, "/choices/1/text"), R"("Helloabcdefg")");
  // The fake workers say the reply from the first scored token on.
  const HttpReply scored = Complete(server, R"("echo":true,"logprobs":0)");
  EXPECT_EQ(At(scored, "/choices/0/text"), R"("Helloefg")");
  EXPECT_EQ(At(scored, "/choices/0/logprobs/token_logprobs"), "[null,0,0,0,0,-0.5,-0.5,-0.5]");
  EXPECT_EQ(At(scored, "/choices/0/logprobs/text_offset"), "[0,1,2,3,4,5,6,7]");
  EXPECT_EQ(At(scored, "/usage/completion_tokens"), "4");
}

TEST(Gateway, MaxTokensZeroScoresThePromptAlone) {
  TestServer server(WithReply("abcdefg"));
  const HttpReply reply = Complete(server, R"("echo":true,"logprobs":0,"max_tokens":0)");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("Hello")");
  EXPECT_EQ(At(reply, "/choices/0/finish_reason"), R"("length")");
  EXPECT_EQ(At(reply, "/choices/0/logprobs/token_logprobs"), "[null,0,0,0,0]");
  EXPECT_EQ(At(reply, "/usage/completion_tokens"), "0");
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
}

TEST(Gateway, AStopStringBeforeTheScoresWaitsForThem) {
  TestServer server(WithReply("abcdefg"));
  const HttpReply reply = Complete(server, R"("echo":true,"logprobs":0,"stop":"f")");
  EXPECT_EQ(At(reply, "/choices/0/text"), R"("Helloe")");
  EXPECT_EQ(At(reply, "/choices/0/finish_reason"), R"("stop")");
}

TEST(Gateway, TheBestOfSeveralCountsThemAll) {
  TestServer server(WithReply("abc"));
  const HttpReply reply = Complete(server, R"("best_of":3)");
  EXPECT_EQ(reply.Json().at_pointer("/choices").as_array().size(), 1U);
  EXPECT_EQ(At(reply, "/choices/0/logprobs"), "null");
  EXPECT_EQ(At(reply, "/usage/completion_tokens"), "12");
}

TEST(Gateway, ExitLayersPerToken) {
  TestServer server(WithReply("abc"));
  const HttpReply reply = Complete(server, R"("exit":{"per_token":true,"mode":"propagate","threshold":0.5})");
  EXPECT_EQ(At(reply, "/choices/0/exit_layers"), "[12,30,12,30]");
  EXPECT_EQ(At(reply, "/usage/exit/mode"), R"("propagate")");
  EXPECT_EQ(At(reply, "/usage/exit/threshold"), "0.5");
  EXPECT_EQ(At(reply, "/usage/exit/mean_layers"), "21");
  EXPECT_FALSE(
      Complete(server, R"("n":1)").Json().at_pointer("/choices/0").as_object().contains("exit_layers"));
}

// The server's certificate is of answers of 50 tokens; a prompt that leaves no room for them runs in full.
TEST(Gateway, TheServersCertificateNeedsRoomForItsAnswers) {
  TestServerOptions options = WithReply("early");
  options.cluster.off_reply = [](const std::string&) { return "full"; };
  certify::Certificate c;
  c.name = "small";
  c.setting = {.mode = ExitMode::kPropagate, .threshold = 0.5F};
  c.max_tokens = 50;
  options.certificates = {c};
  options.default_certificate = "small";
  TestServer server(options);
  for (const auto& [prompt, certificate, text] :
       {std::tuple(options.core.context_length - 50, R"("small")", R"("early")"),
        {options.core.context_length - 49, "null", R"("full")"}}) {
    const HttpReply reply =
        Fetch(server.port(), "POST", "/v1/completions",
              fmt::format(R"({{"model":"fake","prompt":"{}"}})", std::string(prompt, 'p')));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(At(reply, "/usage/exit/certificate"), certificate);
    EXPECT_EQ(At(reply, "/choices/0/text"), text);
  }
}

TEST(Gateway, ErrorsNameWhatIsWrong) {
  TestServer server(WithReply("x"));
  const auto error = [&](const std::string& fields) { return Complete(server, fields); };
  EXPECT_EQ(At(error(R"("temperature":9)"), "/error/param"), R"("temperature")");
  EXPECT_EQ(At(error(R"("exit":{"mode":"verify"})"), "/error/param"), R"("exit.mode")");
  EXPECT_EQ(At(error(R"("exit":{"what":1})"), "/error/param"), R"("exit.what")");
  EXPECT_EQ(At(error(R"("tools":[1])"), "/error/type"), R"("invalid_request_error")");
  const HttpReply context = error(R"("max_tokens":496)");
  EXPECT_EQ(context.status, 400);
  EXPECT_EQ(At(context, "/error/code"), R"("context_length_exceeded")");
  EXPECT_EQ(At(context, "/error/param"), R"("max_tokens")");
  const std::string longest(499, 'x');
  for (const auto& [prompt, status] : {std::pair(longest, 200), std::pair(longest + "x", 400)}) {
    const HttpReply reply = Fetch(server.port(), "POST", "/v1/completions",
                                  fmt::format(R"({{"model":"fake","prompt":"{}","max_tokens":1}})", prompt));
    EXPECT_EQ(reply.status, status);
    if (status == 200) continue;
    EXPECT_EQ(At(reply, "/error/param"), R"("prompt")");
    EXPECT_THAT(reply.body, HasSubstr("has 500 tokens, the context of 500 takes 499 at most"));
  }
  EXPECT_EQ(Fetch(server.port(), "POST", "/v1/completions", R"({"model":"fake","prompt":""})").status, 400);
  EXPECT_EQ(Fetch(server.port(), "POST", "/v1/completions", "{").status, 400);
  const HttpReply model =
      Fetch(server.port(), "POST", "/v1/completions", R"({"model":"gpt-4","prompt":"x"})");
  EXPECT_EQ(model.status, 404);
  EXPECT_EQ(At(model, "/error/code"), R"("model_not_found")");
  EXPECT_EQ(Fetch(server.port(), "GET", "/nothing").status, 404);
  const HttpReply method = Fetch(server.port(), "GET", "/v1/completions");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "POST");
  HttpClient client(server.port());
  client.Send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(client.ReadReply().status, 415);
}

TEST(Gateway, LargerThanTheWholeBudgetIsRefused) {
  TestServerOptions options = WithReply("x");
  options.cluster.kv_pages = 4;
  TestServer server(options);
  const HttpReply reply = Complete(server, R"("max_tokens":60)");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(At(reply, "/error/code"), R"("kv_budget_exceeded")");
  EXPECT_THAT(reply.body, HasSubstr("holds 64"));
}

TEST(Gateway, AClientThatGoesCancelsItsRequest) {
  TestServer server(WithReply(""));
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":["a","b"],"n":2})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "4"));
  client.Close();
  EXPECT_TRUE(server.WaitCluster("/requests/running", "0"));
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
  EXPECT_EQ(server.cluster().cancels, 4);
}

TEST(Gateway, NotReadyIs503) {
  TestServerOptions options = WithReply("x");
  options.wait_ready = false;
  options.cluster.load = false;
  TestServer server(options);
  EXPECT_EQ(Fetch(server.port(), "GET", "/healthz").status, 200);
  const HttpReply ready = Fetch(server.port(), "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_TRUE(ready.headers.contains("retry-after"));
  const HttpReply refused = Complete(server, R"("n":1)");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(At(refused, "/error/code"), R"("no_pipeline_ready")");
  server.cluster().load = true;
  EXPECT_TRUE(server.WaitCluster("/ready", "true"));
  EXPECT_EQ(Fetch(server.port(), "GET", "/readyz").status, 200);
}

TEST(Gateway, ACrashFailsWhatRunsAndThePipelineComesBack) {
  TestServer server(WithReply("again"));
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"Hello"})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  server.cluster().Crash();
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(At(reply, "/error/code"), R"("pipeline_restarted")");
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  server.cluster().generate = true;
  ASSERT_TRUE(server.WaitCluster("/ready", "true"));
  EXPECT_EQ(Complete(server, R"("n":1)").status, 200);
  EXPECT_THAT(Fetch(server.port(), "GET", "/metrics").body,
              HasSubstr("exeunt_pipeline_restarts_total{replica=\"0\"} 1"));
}

TEST(Gateway, DrainFinishesWhatRunsAndRefusesTheRest) {
  TestServer server(WithReply("done"));
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"Hello"})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  server.Drain();
  ASSERT_TRUE(server.WaitCluster("/draining", "true"));
  EXPECT_EQ(Complete(server, R"("n":1)").status, 503);
  EXPECT_EQ(Fetch(server.port(), "GET", "/readyz").status, 503);
  server.cluster().generate = true;
  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/state", "\"stopped\""));
}

TEST(Gateway, ModelsTokensAndMetrics) {
  TestServer server(WithReply("ab"));
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/models"), "/data/0/id"), R"("fake")");
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/models/fake"), "/owned_by"), R"("exeunt")");
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/models/%66ake"), "/max_model_len"), "500");
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/models/default"), "/id"), R"("fake")");
  EXPECT_EQ(Fetch(server.port(), "GET", "/v1/models/other").status, 404);
  EXPECT_EQ(Fetch(server.port(), "POST", "/tokenize", R"({"prompt":"hi","return_token_strs":true})").body,
            R"({"count":2,"max_model_len":500,"tokens":[104,105],"token_strs":["h","i"]})");
  EXPECT_EQ(Fetch(server.port(), "POST", "/detokenize", R"({"tokens":[104,105]})").body,
            R"({"prompt":"hi"})");
  EXPECT_EQ(Fetch(server.port(), "POST", "/detokenize", R"({"tokens":[1000]})").status, 400);
  EXPECT_EQ(Fetch(server.port(), "POST", "/detokenize", R"({"tokens":[[70]]})").status, 400);
  EXPECT_EQ(Complete(server, R"("n":1)").status, 200);
  const std::string metrics = Fetch(server.port(), "GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("exeunt_request_success_total{finished_reason=\"stop\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("exeunt_generation_tokens_total 3"));
  EXPECT_THAT(
      metrics,
      HasSubstr("exeunt_http_requests_total{method=\"POST\",route=\"/v1/completions\",status=\"200\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("exeunt_inter_token_latency_seconds_count 2"));
}

// What is served is described, and what is described is served.
TEST(Gateway, TheOpenApiDocumentHasEveryEndpointAndNoOther) {
  TestServer server;
  const HttpReply reply = Fetch(server.port(), "GET", "/openapi.json", "");
  ASSERT_EQ(reply.status, 200);
  std::set<std::string> described, served;
  const boost::json::value document = reply.Json();
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    for (const auto& [method, unused] : methods.as_object()) {
      if (method != "parameters")
        described.insert(fmt::format("{} {}", std::string_view(method), std::string_view(path)));
    }
  }
  for (auto [method, path] : Gateway::Endpoints()) {
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    served.insert(fmt::format("{} {}{}", method, path, path.ends_with('/') ? "{model}" : ""));
  }
  EXPECT_EQ(described, served);
}

TEST(Gateway, EveryErrorHasTheFormOfOpenAIs) {
  TestServerOptions options;
  options.http.max_body_bytes = 1000;
  TestServer server(options);
  const auto expect = [](const HttpReply& reply, int status, const std::string& type) {
    EXPECT_EQ(reply.status, status) << reply.body;
    const boost::json::value body = reply.Json();
    const auto& error = body.at("error").as_object();
    EXPECT_EQ(error.size(), 4U);
    EXPECT_FALSE(error.at("message").as_string().empty());
    EXPECT_EQ(error.at("type").as_string(), type);
    EXPECT_TRUE(error.contains("param") && error.contains("code"));
  };
  expect(Complete(server, R"("n":0)"), 400, "invalid_request_error");
  expect(Fetch(server.port(), "POST", "/v1/completions", "{"), 400, "invalid_request_error");
  expect(Fetch(server.port(), "GET", "/nowhere", ""), 404, "invalid_request_error");
  expect(Fetch(server.port(), "GET", "/v1/models/other", ""), 404, "invalid_request_error");
  expect(Fetch(server.port(), "GET", "/v1/completions", ""), 405, "invalid_request_error");
  expect(Fetch(server.port(), "POST", "/v1/completions", std::string(2000, ' ')), 413,
         "invalid_request_error");
}

TEST(Gateway, TargetsAreNamedAsTheyWereAsked) {
  TestServer server;
  HttpClient client(server.port());
  client.Send("GET /v1/targets HTTP/1.1\r\nHost: llm.example:8080\r\n\r\n");
  EXPECT_EQ(client.ReadReply().body,
            R"([{"targets":["llm.example:8080"],"labels":{"__meta_exeunt_model":"fake"}}])");
  client.Send("GET /v1/targets HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.ReadReply().status, 400);
}

TEST(Gateway, CountsRequestsThatNoRouteSawAndClientsThatWent) {
  TestServerOptions options = WithReply("");
  options.http.max_body_bytes = 100;
  TestServer server(options);
  EXPECT_EQ(Fetch(server.port(), "POST", "/v1/completions", std::string(101, ' ')).status, 413);
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"a"})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  client.Close();
  ASSERT_TRUE(server.WaitCluster("/requests/running", "0"));
  const std::string metrics = Fetch(server.port(), "GET", "/metrics").body;
  EXPECT_THAT(metrics,
              HasSubstr(R"(exeunt_http_requests_total{method="other",route="none",status="413"} 1)"));
  EXPECT_THAT(
      metrics,
      HasSubstr(R"(exeunt_http_requests_total{method="POST",route="/v1/completions",status="499"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(exeunt_request_success_total{finished_reason="abort"} 1)"));
  EXPECT_THAT(metrics, HasSubstr("exeunt_http_requests_in_flight 1")) << "this one";
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/cluster"), "/totals/requests_finished"), "1");
}

}  // namespace
}  // namespace exeunt::coordinator
