//! A seeded random source (splitmix64): one number reproduces a whole run. It does not determine how threads interleave.

/// A sequence of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x6C65_7665_6C67_6174)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "a random source has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between<N: Copy + TryInto<i128> + TryFrom<i128>>(&mut self, low: N, high: N) -> N {
        let wide = |number: N| number.try_into().unwrap_or_else(|_| panic!("a number within 128 bits"));
        let (low, high) = (wide(low), wide(high));
        let number = low + i128::from(self.next()) % (high - low + 1);
        N::try_from(number).unwrap_or_else(|_| panic!("{number} is between two numbers of its type"))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: i64) -> bool {
        self.between(1, 100) <= share
    }

    /// One element of a list.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// One word of a list.
    pub fn word<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.place(from.len())]
    }

    /// An index into a list of so many elements.
    pub fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("an index")
    }

    /// At least one element of a list, in a random order.
    pub fn some<'a>(&mut self, from: &[&'a str]) -> Vec<&'a str> {
        let mut left = from.to_vec();
        let count = self.between(1, i64::try_from(from.len()).expect("a short list"));
        (0..count).map(|_| left.remove(self.place(left.len()))).collect()
    }

    /// Puts a list into a random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.place(last + 1));
        }
    }
}
