//! A seeded random source, and the Zipf distribution over customers.

/// A seeded random source (splitmix64). The same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The source of a seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound; zero if the bound is zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// The weight of rank 1. Rank `k` has a `k`-th of it.
const WEIGHT: u64 = 1 << 48;

/// The Zipf distribution with exponent 1: rank `k` is chosen with a probability proportional to `1 / k`.
///
/// Only integers are used, so that a seed chooses the same customers on every machine. The ranks from `2^n` to
/// `2^(n+1) - 1` are an octave. A draw chooses an octave by its weight, then a rank of it by rejection, in constant time.
#[derive(Debug)]
pub(super) struct Zipf {
    /// The sum of the weights up to the end of each octave.
    sums: Vec<u64>,
    ranks: u64,
}

impl Zipf {
    /// The distribution over this many ranks, at least one.
    pub(super) fn new(ranks: u32) -> Self {
        let ranks = u64::from(ranks.max(1));
        let (mut sums, mut sum) = (Vec::new(), 0);
        for rank in 1..=ranks {
            if rank.is_power_of_two() && rank > 1 {
                sums.push(sum);
            }
            sum += WEIGHT / rank;
        }
        sums.push(sum);
        Self { sums, ranks }
    }

    /// A rank, counted from zero.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let place = random.below(self.sums.last().copied().unwrap_or_default());
        let octave = self.sums.partition_point(|&sum| sum <= place);
        let first = 1_u64 << octave;
        let length = first.min(self.ranks + 1 - first);
        loop {
            let rank = first + random.below(length);
            if random.below(rank) < first {
                return u32::try_from(rank - 1).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts lie within five standard deviations of the expected ones, for a seed that does not change.
    #[test]
    fn ranks_are_drawn_as_often_as_the_distribution_says() {
        const DRAWS: u64 = 200_000;
        for ranks in [1_u32, 2, 3, 7, 10, 64, 1_000] {
            let (zipf, mut random) = (Zipf::new(ranks), Random::new(u64::from(ranks)));
            let mut counts = vec![0_u64; ranks as usize];
            for _ in 0..DRAWS {
                counts[zipf.draw(&mut random) as usize] += 1;
            }
            // In millionths, so that no float is needed.
            let harmonic: u64 = (1..=u64::from(ranks)).map(|rank| 1_000_000_000 / rank).sum();
            for (rank, &count) in (1_u64..).zip(&counts) {
                let expected = DRAWS * (1_000_000_000 / rank) / harmonic;
                let tolerance = 5 * (expected + 1).isqrt() + 2;
                assert!(
                    count.abs_diff(expected) <= tolerance,
                    "rank {rank} of {ranks}: {count} draws, {expected} expected"
                );
            }
        }
    }

    #[test]
    fn the_first_draws_of_a_seed_never_change() {
        let (zipf, mut random) = (Zipf::new(100_000), Random::new(1));
        let draws: Vec<u32> = (0..10).map(|_| zipf.draw(&mut random)).collect();
        assert_eq!(draws, [738, 7688, 27, 743, 73, 8731, 142, 0, 0, 714]);
    }
}
