// Measures llama.cpp through the C interface of libllama, on the workloads of `exeunt bench`:
//
//   prefill:N   a prompt of N tokens in one batch, logits of the last one
//   decode:B    B streams with prompts of 16 tokens, then 128 greedy steps of B tokens, the first not counted
//   context:N   32 greedy steps of one stream behind a prompt of N tokens
//
// Prints a JSON object for each. It also serves as a stage of llama.cpp's RPC pipeline, quantizes, and writes
// logits.
#include <ggml-backend.h>
#include <ggml-rpc.h>
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/llama_logits.h"
#include "bench/llama_tokens.h"
#include "bench/llama_workload.h"

namespace {

constexpr char kUsage[] =
    "llama_driver --model FILE --threads N --workload W ... [--rpc HOST:PORT,HOST:PORT] [--ubatch TOKENS]\n"
    "llama_driver --serve PORT --threads N\n"
    "llama_driver --quantize IN OUT --type TYPE\n"
    "llama_driver --model FILE --threads N --logits SEQUENCES OUT\n"
    "llama_driver --model FILE --tokenize TEXTS OUT\n";

// The values that follow each --key.
using Arguments = std::map<std::string, std::vector<std::string>>;

Arguments ParseArguments(std::span<char*> words) {
  Arguments arguments = {{"--model", {}},    {"--threads", {}},  {"--rpc", {}},   {"--ubatch", {}},
                         {"--logits", {}},   {"--tokenize", {}}, {"--serve", {}}, {"--type", {}},
                         {"--quantize", {}}, {"--workload", {}}};
  std::vector<std::string>* values = nullptr;
  for (const std::string word : words) {
    if (word.starts_with("--")) {
      if (!arguments.contains(word)) Die("unknown argument " + word + "\n" + kUsage);
      values = &arguments[word];
    } else if (values == nullptr) {
      Die("unexpected '" + word + "'\n" + kUsage);
    } else {
      values->push_back(word);
    }
  }
  return arguments;
}

const std::string& First(const Arguments& arguments, const std::string& key) {
  if (arguments.at(key).empty()) Die("a value of " + key + " is missing\n" + kUsage);
  return arguments.at(key).front();
}

using Model = std::unique_ptr<llama_model, decltype(&llama_model_free)>;

// On the devices of the servers, each with an equal share of the layers, or in this process.
Model LoadModel(const std::string& path, const std::vector<std::string>& servers) {
  std::vector<ggml_backend_dev_t> devices;
  for (const std::string& server : servers) {
    ggml_backend_reg_t registry = ggml_backend_rpc_add_server(server.c_str());
    if (registry == nullptr) Die("--rpc " + server + " offers no device");
    devices.push_back(ggml_backend_reg_dev_get(registry, 0));
  }
  devices.push_back(nullptr);
  llama_model_params params = llama_model_default_params();
  const std::vector<float> shares(llama_max_devices(), 1.0f);  // of the first devices, as many as there are
  if (!servers.empty()) {
    params.devices = devices.data();
    params.tensor_split = shares.data();
  }
  Model model(llama_model_load_from_file(path.c_str(), params), llama_model_free);
  if (model == nullptr) Die("cannot load the model " + path);
  return model;
}

void Measure(const Arguments& arguments, int threads) {
  std::vector<std::string> servers;
  if (!arguments.at("--rpc").empty()) {
    std::istringstream list(First(arguments, "--rpc"));
    for (std::string server; std::getline(list, server, ',');) servers.push_back(server);
  }
  const bool whole = arguments.at("--ubatch").empty();
  const int ubatch_tokens = whole ? 0 : ParseInt(First(arguments, "--ubatch"), 2048, "--ubatch");
  std::vector<Workload> workloads;
  for (const std::string& name : arguments.at("--workload")) workloads.push_back(ParseWorkload(name));
  if (workloads.empty()) Die(std::string("no workload\n") + kUsage);
  const Model model = LoadModel(First(arguments, "--model"), servers);
  for (const Workload& workload : workloads) {
    Bench bench(model.get(), workload, threads, ubatch_tokens);
    bench.Run(/*max_steps=*/2);  // warms up
    const double rate = bench.Run(workload.steps);
    std::printf(
        R"({"engine":"llama.cpp","workload":"%s","threads":%d,"stages":%zu,"tokens_per_second":%.2f})",
        workload.name.c_str(), threads, std::max<size_t>(1, servers.size()), rate);
    std::puts("");
    std::fflush(stdout);
  }
}

// Ends by a signal, or when it cannot serve.
[[noreturn]] void Serve(int port, int threads) {
  ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const std::string endpoint = "127.0.0.1:" + std::to_string(port);
  ggml_backend_rpc_start_server(endpoint.c_str(), nullptr, static_cast<size_t>(threads), 1, &cpu);
  Die("cannot serve on " + endpoint);
}

constexpr std::pair<const char*, llama_ftype> kFileTypes[] = {
    {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},     {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
    {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},     {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K},     {"q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},     {"iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL},
    {"iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS}};

void Quantize(const std::vector<std::string>& files, const std::string& type) {
  const auto* named = std::find_if(std::begin(kFileTypes), std::end(kFileTypes),
                                   [&](const auto& known) { return type == known.first; });
  if (files.size() != 2 || named == std::end(kFileTypes)) {
    std::string known;
    for (const auto& file_type : kFileTypes) known += std::string(" ") + file_type.first;
    Die("--quantize takes IN OUT --type TYPE, one of" + known + "\n" + kUsage);
  }
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = named->second;
  params.allow_requantize = true;
  if (llama_model_quantize(files[0].c_str(), files[1].c_str(), &params) != 0) {
    Die("cannot quantize " + files[0] + " into " + files[1]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto log = [](ggml_log_level level, const char* text, void*) {
    if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
  };
  llama_log_set(log, nullptr);
  ggml_set_abort_callback([](const char* message) {
    std::fprintf(stderr, "llama_driver: %s\n", message);
    std::_Exit(1);
  });
  llama_backend_init();
  const Arguments arguments = ParseArguments({argv + 1, argv + argc});
  if (!arguments.at("--quantize").empty()) {
    Quantize(arguments.at("--quantize"), First(arguments, "--type"));
    return 0;
  }
  if (const auto& files = arguments.at("--tokenize"); !files.empty()) {
    if (files.size() != 2) Die(std::string("--tokenize takes TEXTS OUT\n") + kUsage);
    WriteTokens(First(arguments, "--model"), files[0], files[1]);
    return 0;
  }
  const int threads = ParseInt(First(arguments, "--threads"), GGML_MAX_N_THREADS, "--threads");
  if (const auto& logits = arguments.at("--logits"); !logits.empty()) {
    if (logits.size() != 2) Die(std::string("--logits takes SEQUENCES OUT\n") + kUsage);
    WriteLogits(LoadModel(First(arguments, "--model"), {}).get(), logits[0], threads, logits[1]);
  } else if (arguments.at("--serve").empty()) {
    Measure(arguments, threads);
  } else {
    Serve(ParseInt(First(arguments, "--serve"), 65535, "--serve"), threads);
  }
}
