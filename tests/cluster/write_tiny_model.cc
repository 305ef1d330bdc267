// write_tiny_model FILE: a random model of a few kilobytes with a tokenizer and a chat template, for tests of
// the API that need many answers and no sense.
#include <cstdlib>
#include <iostream>

#include "model/testing/random_model.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_tiny_model FILE\n";
    return EXIT_FAILURE;
  }
  exeunt::RandomModelSpec spec;
  spec.d_model = 32;
  spec.n_heads = 2;
  spec.n_kv_heads = 1;
  spec.d_ff = 64;
  spec.vocab_size = 300;
  spec.chat_template =
      "{% for message in messages %}<|im_start|>{{ message['role'] + '\\n' + message['content'] }}<|im_end|>"
      "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}";
  const exeunt::Status written = exeunt::WriteRandomModel(spec, argv[1]);
  if (written) return EXIT_SUCCESS;
  std::cerr << written.error().message << '\n';
  return EXIT_FAILURE;
}
