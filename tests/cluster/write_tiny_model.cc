// write_tiny_model FILE [VOCABULARY TOKENS]: a random model of a few kilobytes with a tokenizer and a chat
// template, for tests of the API that need many answers and no sense. VOCABULARY: rows of the embedding.
// TOKENS: of the tokenizer.
#include <cstdlib>
#include <iostream>

#include "model/testing/random_model.h"

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::cerr << "usage: write_tiny_model FILE [VOCABULARY TOKENS]\n";
    return EXIT_FAILURE;
  }
  exeunt::RandomModelSpec spec;
  spec.d_model = 32;
  spec.n_heads = 2;
  spec.n_kv_heads = 1;
  spec.d_ff = 64;
  spec.vocab_size = argc == 4 ? std::atoi(argv[2]) : 300;
  spec.n_tokens = argc == 4 ? std::atoi(argv[3]) : 0;
  spec.chat_template =
      "{% for message in messages %}<|im_start|>{{ message['role'] + '\\n' + message['content'] }}<|im_end|>"
      "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}";
  const exeunt::Status written = exeunt::WriteRandomModel(spec, argv[1]);
  if (written) return EXIT_SUCCESS;
  std::cerr << written.error().message << '\n';
  return EXIT_FAILURE;
}
