"""Writes bounds.json: p-values by scipy 1.17 and by the formulas of arXiv 2110.01052 (Hoeffding-Bentkus) and 2010.09686 (betting),
computed here on their own. The betting test takes the losses in the order that the C++ side's seed gives, which is written down
with them: that side checks that order by the value alone."""
import json
import math
from pathlib import Path

import numpy as np
from scipy.stats import binom


def h1(a, b):
    return (a * math.log(a / b) if a > 0 else 0) + ((1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0)


def hoeffding_bentkus(losses, delta):
    n, r = len(losses), float(np.mean(np.maximum(losses, 0)))
    return min(1.0, math.exp(-n * h1(min(r, delta), delta)),
               math.e * float(binom.cdf(math.ceil(round(n * r, 9)), n, delta)))


def philox(key, counter):
    k0, k1, c, mask = key & 0xffffffff, key >> 32, list(counter), 0xffffffff
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & mask, (p0 >> 32) ^ c[3] ^ k1, p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c


def wsr(losses, delta, epsilon, seed):
    order = list(range(len(losses)))
    for i in range(len(order), 1, -1):
        r = philox(seed, [i, 0, 0, 0])
        j = (r[0] << 32 | r[1]) % i
        order[i - 1], order[j] = order[j], order[i - 1]
    x = np.array(losses)[order]
    n, wealth, largest, seen, squares = len(x), 1.0, 1.0, [], [0.25]
    for value in x:
        variance = sum(squares) / (len(seen) + 1)
        bet = min(0.95 / (1 - delta), math.sqrt(2 * math.log(1 / epsilon) / (n * variance)))
        wealth *= 1 - bet * (value - delta)
        largest = max(largest, wealth)
        seen.append(value)
        mean = (0.5 * delta + sum(seen)) / (len(seen) + 0.5)
        squares.append((value - mean) ** 2)
    return min(1.0, 1 / largest)


def main():
    rng = np.random.default_rng(11)
    cases = []
    for n, delta, mean in [(80, .05, .0), (200, .05, .02), (500, .1, .06), (300, .25, .3), (1000, .02, .008)]:
        binary = (rng.random(n) < mean).astype(float)
        graded = np.round(np.clip(rng.normal(mean, .2, n), -1, 1), 6)
        cases.append({"delta": delta, "epsilon": .05, "seed": 3, "binary": binary.tolist(), "graded": graded.tolist(),
                      "binomial": float(binom.cdf(int(binary.sum()), n, delta)),
                      "hoeffding_bentkus_binary": hoeffding_bentkus(binary, delta),
                      "hoeffding_bentkus_graded": hoeffding_bentkus(graded, delta),
                      "wsr_binary": wsr(binary, delta, .05, 3), "wsr_graded": wsr(graded, delta, .05, 3)})
    (Path(__file__).parent / "bounds.json").write_text(json.dumps(cases) + "\n", encoding="utf-8")


main()
