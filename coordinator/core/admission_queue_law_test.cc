// What holds of an AdmissionQueue whatever comes: order, fair shares, bounded passing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "base/testing/dice.h"
#include "coordinator/core/admission_queue.h"

namespace exeunt::coordinator {
namespace {

// Two clients that always wait, one with ten times the requests: what they get differs by at most the
// longest request.
TEST(AdmissionQueueLaw, BackloggedClientsGetTheSameTokens) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    const uint32_t longest[] = {1 + dice.Below(500), 1 + dice.Below(500)};
    AdmissionQueue queue;
    RequestId id = 0;
    std::map<RequestId, std::pair<size_t, uint64_t>> asked;
    for (int i = 0; i < 1100; ++i) {
      const size_t client = i % 11 == 0 ? 1 : 0;
      const uint64_t tokens = 1 + dice.Below(longest[client]);
      asked[++id] = {client, tokens};
      queue.Push({id, client == 0 ? "many" : "few", 0, tokens});
    }
    int64_t got[] = {0, 0};
    while (queue.SizeOf("many") > 0 && queue.SizeOf("few") > 0) {
      const RequestId head = queue.Head().value();
      queue.Admit(head);
      got[asked[head].first] += static_cast<int64_t>(asked[head].second);
      ASSERT_LE(std::abs(got[0] - got[1]), std::max(longest[0], longest[1]));
    }
  }
}

// Any coming and going against the rules, by a model that only counts.
class QueueStorm {
 public:
  explicit QueueStorm(uint32_t seed) : dice_(seed) {}

  void Run() {
    for (int i = 0; i < 3000; ++i) {
      for (uint32_t n = dice_.Below(3); n > 0; --n) Push();
      if (dice_.OneIn(8)) Remove();
      if (dice_.OneIn(8)) Promote();
      while (waiting_.size() > 60) Refuse();
      if (!waiting_.empty()) Serve();
      ASSERT_EQ(queue_.size(), waiting_.size());
      if (testing::Test::HasFatalFailure()) return;
    }
    while (!waiting_.empty()) Serve();
    EXPECT_TRUE(queue_.empty());
  }
  int passes = 0;
  int held = 0;

 private:
  struct Model {
    std::string client;
    int level = 0;
    uint64_t tokens = 0;
  };
  struct Held {
    RequestId id;
    uint32_t passed = 0;
    uint64_t passed_tokens = 0;
  };
  static constexpr uint32_t kLongest = 200;

  void Push() {
    const Model model{fmt::format("c{}", dice_.Below(6)), static_cast<int>(dice_.Below(3)) - 1,
                      1 + dice_.Below(dice_.OneIn(3) ? kLongest : 20)};
    waiting_[++last_id_] = model;
    queue_.Push({last_id_, model.client, model.level, model.tokens});
  }
  RequestId Any() {
    return std::next(waiting_.begin(), dice_.Below(static_cast<uint32_t>(waiting_.size())))->first;
  }
  void Remove() {
    if (waiting_.empty()) return;
    const RequestId id = Any();
    queue_.Remove(id);
    Left(id);
  }
  void Promote() {
    if (waiting_.empty()) return;
    const RequestId id = Any();
    queue_.Promote(id);
    Model promoted = waiting_.at(id);
    Left(id);
    promoted.level = -1000;
    waiting_[id] = promoted;
  }
  void Refuse() {
    const RequestId id = queue_.Surplus();
    const size_t of_client = Count(waiting_.at(id).client);
    for (const auto& [other, model] : waiting_) {
      ASSERT_LE(Count(model.client), of_client);
      if (model.client != waiting_.at(id).client) continue;
      ASSERT_LE(std::pair(model.level, other), std::pair(waiting_.at(id).level, id));
    }
    queue_.Remove(id);
    Left(id);
  }
  size_t Count(const std::string& client) const {
    return static_cast<size_t>(std::count_if(waiting_.begin(), waiting_.end(),
                                             [&](const auto& w) { return w.second.client == client; }));
  }

  void Serve() {
    const RequestId head = queue_.Head().value();
    const Model& model = waiting_.at(head);
    for (const auto& [id, other] : waiting_) ASSERT_GE(other.level, model.level) << "not the most urgent";
    if (const auto held = held_.find(model.level); held != held_.end()) {
      ASSERT_EQ(head, held->second.id) << "the one that was held did not stay";
    }
    if (dice_.OneIn(3)) return Hold(head);
    for (const auto& [id, other] : waiting_) {
      if (held_.contains(model.level)) break;  // an older one may have been promoted since
      const bool earlier = other.client == model.client && other.level == model.level && id < head;
      ASSERT_FALSE(earlier) << "not in order of arrival";
    }
    Admit(head);
  }
  // No place for it now: others may pass.
  void Hold(RequestId head) {
    const auto [at, is_new] = held_.try_emplace(waiting_.at(head).level, Held{head});
    if (is_new) ++held;
    queue_.Hold();
    const std::vector<RequestId> passers = queue_.Passers();
    if (passers.empty()) return;
    const RequestId passer = passers[dice_.Below(static_cast<uint32_t>(passers.size()))];
    ASSERT_NE(passer, head);
    ASSERT_EQ(waiting_.at(passer).level, waiting_.at(head).level);
    at->second.passed_tokens += waiting_.at(passer).tokens;
    ASSERT_LE(++at->second.passed, AdmissionQueue::kMaxPasses);
    ASSERT_LE(at->second.passed_tokens, waiting_.at(head).tokens);
    ++passes;
    Admit(passer);
  }
  void Admit(RequestId id) {
    queue_.Admit(id);
    Left(id);
  }
  void Left(RequestId id) {
    const auto held = held_.find(waiting_.at(id).level);
    if (held != held_.end() && held->second.id == id) held_.erase(held);
    waiting_.erase(id);
  }

  Dice dice_;
  AdmissionQueue queue_;
  std::map<RequestId, Model> waiting_;
  std::map<int, Held> held_;  // by level
  RequestId last_id_ = 0;
};

TEST(AdmissionQueueLaw, TheRulesHoldWhateverComes) {
  int passes = 0, held = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    QueueStorm storm(seed);
    storm.Run();
    if (HasFatalFailure()) return;
    passes += storm.passes;
    held += storm.held;
  }
  EXPECT_GT(passes, 1000);
  EXPECT_GT(held, 1000);
}

// Clients that come, wait and go: while two wait together, neither gets more than the other by over one
// request of each.
TEST(AdmissionQueueLaw, SharesAreFairWhoeverComesAndGoes) {
  constexpr size_t kClients = 5;
  constexpr uint32_t kLongest = 300;
  int64_t worst = 0;
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    AdmissionQueue queue;
    std::map<RequestId, std::pair<size_t, int64_t>> asked;
    int64_t ahead[kClients][kClients] = {};  // tokens that one got over another, since both wait
    RequestId id = 0;
    const auto name = [](size_t client) { return std::string(1, static_cast<char>('a' + client)); };
    for (int step = 0; step < 2000; ++step) {
      if (dice.OneIn(2)) {
        const size_t client = dice.Below(kClients);
        for (uint32_t n = dice.Below(5); n > 0; --n) {
          const uint32_t tokens = 1 + dice.Below(kLongest);
          asked[++id] = {client, tokens};
          queue.Push({id, name(client), 0, tokens});
        }
      }
      const auto head = queue.Head();
      if (!head) continue;
      queue.Admit(*head);
      const auto [client, tokens] = asked[*head];
      for (size_t other = 0; other < kClients; ++other) {
        ahead[client][other] += tokens;
        ahead[other][client] -= tokens;
      }
      bool waits[kClients];
      for (size_t a = 0; a < kClients; ++a) waits[a] = queue.SizeOf(name(a)) > 0;
      for (size_t a = 0; a < kClients; ++a) {
        for (size_t b = 0; b < kClients; ++b) {
          if (!waits[a] || !waits[b]) ahead[a][b] = 0;
          ASSERT_LE(std::abs(ahead[a][b]), 2 * kLongest);
          worst = std::max(worst, ahead[a][b]);
        }
      }
    }
  }
  EXPECT_GT(worst, kLongest / 2) << "there was nothing to share";
}

// Memory of 1000 tokens, small requests without end from many clients, and one that needs nearly all of it.
class SmallAndLarge {
 public:
  static constexpr uint64_t kMemory = 1000, kLarge = 900;
  static constexpr uint32_t kSmall = 50, kClients = 10;
  // Each other client gets what the large one will have got, and one request more; then some may pass it,
  // which together are no larger than it.
  static constexpr uint64_t kBound = kClients * (kLarge + kSmall) + kLarge;

  explicit SmallAndLarge(uint32_t seed) : dice_(seed) {}

  // Tokens of others that were admitted from the large one's arrival to its admission.
  uint64_t Run() {
    for (uint32_t turns = dice_.Below(30); turns > 0; --turns) Turn();
    Push("large", kLarge);
    const uint64_t before = admitted_;
    const auto others = [&] { return admitted_ - before - (queue_.SizeOf("large") == 0 ? kLarge : 0); };
    while (queue_.SizeOf("large") > 0 && others() <= kBound) Turn();
    return others();
  }

 private:
  void Push(const std::string& client, uint64_t tokens) {
    tokens_[++last_id_] = tokens;
    queue_.Push({last_id_, client, 0, tokens});
  }
  bool Admit(RequestId id) {
    const uint64_t tokens = tokens_.at(id);
    if (used_ + tokens > kMemory) return false;
    used_ += tokens;
    admitted_ += tokens;
    running_.push_back(tokens);
    queue_.Admit(id);
    return true;
  }
  void Turn() {
    for (uint32_t c = 0; c < kClients; ++c) {
      while (queue_.SizeOf(fmt::format("{}", c)) < 3) Push(fmt::format("{}", c), 1 + dice_.Below(kSmall));
    }
    while (queue_.Head() && Admit(*queue_.Head())) {
    }
    if (queue_.empty()) return;
    queue_.Hold();
    for (auto next = queue_.Passers(); !next.empty() && Admit(next[0]); next = queue_.Passers()) {
    }
    std::swap(running_.front(), running_[dice_.Below(static_cast<uint32_t>(running_.size()))]);
    used_ -= running_.front();
    running_.pop_front();
  }

  Dice dice_;
  AdmissionQueue queue_;
  std::map<RequestId, uint64_t> tokens_;
  std::deque<uint64_t> running_;
  RequestId last_id_ = 0;
  uint64_t used_ = 0;
  uint64_t admitted_ = 0;
};

TEST(AdmissionQueueLaw, ALargeOneIsAdmittedAfterABoundedNumberOfTokensOfOthers) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    EXPECT_LE(SmallAndLarge(seed).Run(), SmallAndLarge::kBound) << "seed " << seed;
  }
}

}  // namespace
}  // namespace exeunt::coordinator
