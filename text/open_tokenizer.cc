#include "text/open_tokenizer.h"

namespace exeunt::text {

Result<std::shared_ptr<const Tokenizer>> OpenTokenizer(const ModelSource& source) {
  const int rows = source.config().vocab_size;
  return source.directory().empty() ? Tokenizer::FromGguf(source.metadata(), rows)
                                    : Tokenizer::FromHfDirectory(source.directory(), rows);
}

}  // namespace exeunt::text
