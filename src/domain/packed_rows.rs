//! Rows of numbers in as few bits as their columns need.
//!
//! Millions of lists in memory have up to 64 rows each, and the numbers of one list are alike: times of some days, amounts
//! of some digits, flags that are mostly equal. [`PackedRows`] stores every column of a list in as many bits as its
//! largest number needs. Any number can be stored: a large one makes its column wider.

/// Rows of `COLUMNS` numbers.
///
/// The first `BASED` columns store the distance from the smallest number of the column, or from a smaller one: they are
/// for numbers that are large and close to each other, as times are. A row begins directly after the one before it. A row
/// that does not fit makes its columns wider, in place; columns of [`PackedRows::tightened`] rows are as narrow as possible.
///
/// Invariant: `row_bits` is the sum of `widths`; `words` has room for `len` rows; each stored number fits its column.
#[derive(Debug, Clone)]
pub struct PackedRows<const COLUMNS: usize, const BASED: usize> {
    /// `None`: there is no memory, and no row. The words of an empty list have no meaning.
    words: Option<Box<[u64]>>,
    bases: [u64; BASED],
    widths: [u8; COLUMNS],
    len: u8,
    row_bits: u16,
}

const WORD_BITS: usize = 64;

/// Further bits for a based column that becomes wider: its numbers mostly grow, so that it would soon be too narrow again.
const MARGIN_BITS: u32 = 2;

/// The fewest words of an allocation. An empty list keeps them, so a list that is emptied and filled again allocates
/// nothing.
const WORDS_MIN: usize = 8;

/// The bits that a number needs.
fn bits_of(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// The lowest bits of a word.
fn mask(width: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0)
}

/// The index of the word that has a bit, and the bit's place in it.
#[inline]
fn word_and_shift(position: usize) -> (usize, u32) {
    // The remainder is below 64.
    (position / WORD_BITS, u32::try_from(position % WORD_BITS).unwrap_or(0))
}

#[inline]
fn read_bits(words: &[u64], position: usize, width: u32) -> u64 {
    if width == 0 {
        return 0;
    }
    let (index, shift) = word_and_shift(position);
    let low = words.get(index).copied().unwrap_or(0) >> shift;
    if shift + width <= u64::BITS {
        return low & mask(width);
    }
    let high = words.get(index + 1).copied().unwrap_or(0) << (u64::BITS - shift);
    (low | high) & mask(width)
}

#[inline]
fn write_bits(words: &mut [u64], position: usize, width: u32, value: u64) {
    if width == 0 {
        return;
    }
    let (index, shift) = word_and_shift(position);
    let mask = mask(width);
    if let Some(word) = words.get_mut(index) {
        *word = *word & !(mask << shift) | value << shift;
    }
    if shift + width > u64::BITS
        && let Some(word) = words.get_mut(index + 1)
    {
        let written = u64::BITS - shift;
        *word = *word & !(mask >> written) | value >> written;
    }
}

/// A number of words that an allocator has a size for: four sizes for each power of two.
fn allocated_words(needed: usize) -> usize {
    if needed <= WORDS_MIN {
        return WORDS_MIN;
    }
    let step = (needed - 1).next_power_of_two() / 8;
    let step = if needed > step * 8 { step * 2 } else { step };
    needed.next_multiple_of(step.max(1))
}

impl<const COLUMNS: usize, const BASED: usize> Default for PackedRows<COLUMNS, BASED> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<const COLUMNS: usize, const BASED: usize> PackedRows<COLUMNS, BASED> {
    /// No rows.
    pub const NONE: Self = Self { words: None, bases: [0; BASED], widths: [0; COLUMNS], len: 0, row_bits: 0 };

    /// The most rows.
    pub const ROWS_MAX: usize = u8::MAX as usize;

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of its allocation.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of_val(self.words())
    }

    fn words(&self) -> &[u64] {
        self.words.as_deref().unwrap_or_default()
    }

    fn words_mut(&mut self) -> &mut [u64] {
        self.words.as_deref_mut().unwrap_or_default()
    }

    fn position(&self, index: usize) -> usize {
        index * usize::from(self.row_bits)
    }

    fn base(&self, column: usize) -> u64 {
        self.bases.get(column).copied().unwrap_or(0)
    }

    /// The memory of the end of the list: of its last word and of the next row.
    #[must_use]
    pub fn end(&self) -> (&[u64], usize) {
        (self.words(), self.position(self.len()) / WORD_BITS)
    }

    /// A row.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<[u64; COLUMNS]> {
        (index < self.len()).then(|| self.read(index))
    }

    #[inline]
    fn read(&self, index: usize) -> [u64; COLUMNS] {
        self.read_from(self.words(), index)
    }

    /// The number in one column of a row; of a row that does not exist, any number.
    #[must_use]
    #[inline]
    pub fn number(&self, index: usize, column: usize) -> u64 {
        let before: usize = self.widths.iter().take(column).map(|width| usize::from(*width)).sum();
        let width = self.widths.get(column).copied().map_or(0, u32::from);
        read_bits(self.words(), self.position(index) + before, width).wrapping_add(self.base(column))
    }

    /// Bounds of a column: it has no number below the first and none above the second. Reads no row. `None`: there are no
    /// rows.
    #[must_use]
    #[inline]
    pub fn bounds(&self, column: usize) -> Option<(u64, u64)> {
        let width = self.widths.get(column).copied().map_or(0, u32::from);
        let base = self.base(column);
        // A distance that wraps around leads to a smaller number than the base.
        let bounds = base.checked_add(mask(width)).map_or((0, u64::MAX), |high| (base, high));
        (!self.is_empty()).then_some(bounds)
    }

    /// All rows.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = [u64; COLUMNS]> + '_ {
        (0..self.len()).map(|index| self.read(index))
    }

    /// The number of rows at the beginning for which a predicate holds. It must hold for no row after them.
    #[must_use]
    pub fn partition_point(&self, holds: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if holds(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    #[inline]
    fn fits(&self, row: &[u64; COLUMNS]) -> bool {
        row.iter().enumerate().all(|(column, number)| {
            let stored = number.wrapping_sub(self.base(column));
            stored.checked_shr(u32::from(self.widths[column])).unwrap_or(0) == 0
        })
    }

    #[inline]
    fn write(&mut self, index: usize, row: &[u64; COLUMNS]) {
        let mut position = self.position(index);
        let (bases, widths) = (self.bases, self.widths);
        let words = self.words_mut();
        for (column, number) in row.iter().enumerate() {
            let width = u32::from(widths[column]);
            let base = bases.get(column).copied().unwrap_or(0);
            write_bits(words, position, width, number.wrapping_sub(base));
            position += width as usize;
        }
    }

    /// Makes room for a number of rows.
    #[inline]
    fn make_room(&mut self, rows: usize) {
        let needed = self.position(rows).div_ceil(WORD_BITS);
        if needed > self.words().len() {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let mut words = self.words.take().unwrap_or_default().into_vec();
        let len = allocated_words(needed.max(words.len() + words.len() / 4));
        words.reserve_exact(len - words.len());
        words.resize(len, 0);
        self.words = Some(words.into_boxed_slice());
    }

    /// Makes the columns wide enough for a further row. No column becomes narrower.
    #[cold]
    fn widen(&mut self, row: &[u64; COLUMNS]) {
        let (mut bases, mut widths) = (self.bases, self.widths);
        for (column, number) in row.iter().copied().enumerate() {
            let (base, width) = (self.base(column), u32::from(self.widths[column]));
            let mut needed = bits_of(number.wrapping_sub(base));
            if let Some(new_base) = bases.get_mut(column) {
                if self.len == 0 {
                    (*new_base, needed) = (number, 0);
                } else if number < base {
                    // Not always that of the largest number: the distance of a small number can wrap around.
                    let distances = (0..self.len()).map(|index| self.number(index, column).wrapping_sub(number));
                    (*new_base, needed) = (number, bits_of(distances.max().unwrap_or(0)));
                }
                if needed > width {
                    needed = (needed + MARGIN_BITS).min(u64::BITS);
                }
            }
            widths[column] = u8::try_from(needed.max(width)).unwrap_or(u8::MAX);
        }
        self.relayout(bases, widths);
    }

    /// Moves the rows to a layout whose columns are as wide or wider, and whose bases are equal or lower.
    fn relayout(&mut self, bases: [u64; BASED], widths: [u8; COLUMNS]) {
        let rows = self.len();
        let old = Self { words: None, ..*self };
        (self.bases, self.widths) = (bases, widths);
        self.row_bits = widths.iter().map(|width| u16::from(*width)).sum();
        self.make_room(rows + 1);
        // From the last row on: a row is written at or after its old place, so it overwrites no row that is still to move.
        for index in (0..rows).rev() {
            let row = old.read_from(self.words(), index);
            self.write(index, &row);
        }
    }

    /// A row of words that have this layout.
    #[inline]
    fn read_from(&self, words: &[u64], index: usize) -> [u64; COLUMNS] {
        let mut position = self.position(index);
        std::array::from_fn(|column| {
            let width = u32::from(self.widths[column]);
            let stored = read_bits(words, position, width);
            position += width as usize;
            stored.wrapping_add(self.base(column))
        })
    }

    /// Adds a row at the end. More than [`PackedRows::ROWS_MAX`] rows are an error of the caller.
    #[inline]
    pub fn push(&mut self, row: &[u64; COLUMNS]) {
        debug_assert!(self.len() < Self::ROWS_MAX, "a list has too many rows");
        if self.len == 0 || !self.fits(row) {
            self.widen(row);
        }
        self.make_room(self.len() + 1);
        self.write(self.len(), row);
        self.len += 1;
    }

    /// Replaces a row, which must exist.
    pub fn set(&mut self, index: usize, row: &[u64; COLUMNS]) {
        if !self.fits(row) {
            self.widen(row);
        }
        self.write(index, row);
    }

    /// Adds a row before another one, or at the end.
    pub fn insert(&mut self, index: usize, row: &[u64; COLUMNS]) {
        self.push(row);
        for later in (index..self.len() - 1).rev() {
            let moved = self.read(later);
            self.write(later + 1, &moved);
        }
        self.write(index, row);
    }

    /// Removes a row, which must exist.
    pub fn remove(&mut self, index: usize) {
        for later in index + 1..self.len() {
            let moved = self.read(later);
            self.write(later - 1, &moved);
        }
        self.truncate(self.len() - 1);
    }

    /// Removes all rows from an index on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(u8::try_from(len).unwrap_or(u8::MAX));
        if self.len == 0 {
            *self = Self { words: self.words.take().filter(|words| words.len() <= WORDS_MIN), ..Self::NONE };
        }
    }

    /// The rows in as little memory as possible.
    #[must_use]
    pub fn tightened(&self, from: usize) -> Self {
        let mut tight = Self::NONE;
        let rows = || (from..self.len()).map(|index| self.read(index));
        let Some(first) = rows().next() else { return tight };
        let (mut least, mut most) = (first, first);
        for row in rows() {
            for column in 0..COLUMNS {
                least[column] = least[column].min(row[column]);
                most[column] = most[column].max(row[column]);
            }
        }
        for column in 0..COLUMNS {
            if let Some(base) = tight.bases.get_mut(column) {
                *base = least[column];
            }
            let bits = bits_of(most[column].wrapping_sub(tight.base(column)));
            tight.widths[column] = u8::try_from(bits).unwrap_or(u8::MAX);
        }
        tight.row_bits = tight.widths.iter().map(|width| u16::from(*width)).sum();
        let len = self.len() - from;
        let words = tight.position(len).div_ceil(WORD_BITS);
        tight.words = Some(vec![0; words].into_boxed_slice());
        rows().enumerate().for_each(|(index, row)| tight.write(index, &row));
        tight.len = u8::try_from(len).unwrap_or(u8::MAX);
        tight
    }
}

/// Rows are equal where their numbers are; their widths may differ.
impl<const COLUMNS: usize, const BASED: usize> PartialEq for PackedRows<COLUMNS, BASED> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<const COLUMNS: usize, const BASED: usize> Eq for PackedRows<COLUMNS, BASED> {}

/// An `i64` as a `u64` of the same order.
#[must_use]
#[inline]
pub const fn ordered(number: i64) -> u64 {
    number.cast_unsigned() ^ 1 << 63
}

/// The number of [`ordered`].
#[must_use]
#[inline]
pub const fn from_ordered(number: u64) -> i64 {
    (number ^ 1 << 63).cast_signed()
}

/// A difference as a number that is small where the difference is close to 0.
#[must_use]
#[inline]
pub const fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

/// The difference of [`zigzag`].
#[must_use]
#[inline]
pub const fn from_zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rows = PackedRows<4, 2>;

    /// Numbers of all sizes, mostly small ones and ones of one size.
    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => 0_u64..4,
            4 => 1_700_000_000_000_u64..1_700_000_900_000,
            1 => any::<u64>(),
            1 => Just(u64::MAX),
        ]
    }

    proptest! {
        #[test]
        fn rows_contain_what_a_list_contains(
            steps in proptest::collection::vec((0_u8..8, [number(), number(), number(), number()], any::<prop::sample::Index>()), 0..150),
        ) {
            let (mut rows, mut list): (Rows, Vec<[u64; 4]>) = (Rows::NONE, Vec::new());
            for (step, row, place) in steps {
                match step {
                    0 if !list.is_empty() => {
                        let place = place.index(list.len());
                        rows.remove(place);
                        list.remove(place);
                    }
                    1 if !list.is_empty() => {
                        let place = place.index(list.len());
                        rows.set(place, &row);
                        list[place] = row;
                    }
                    2 => {
                        let place = place.index(list.len() + 1);
                        rows.insert(place, &row);
                        list.insert(place, row);
                    }
                    3 => {
                        let from = place.index(list.len() + 1);
                        let tail = rows.tightened(from);
                        prop_assert_eq!(tail.iter().collect::<Vec<_>>(), &list[from..]);
                        prop_assert!(tail.heap_bytes() <= rows.heap_bytes());
                    }
                    4 if place.index(8) == 0 => {
                        let len = place.index(list.len() + 1);
                        rows.truncate(len);
                        list.truncate(len);
                    }
                    _ => {
                        rows.push(&row);
                        list.push(row);
                    }
                }
                prop_assert_eq!(rows.len(), list.len());
                prop_assert_eq!(rows.iter().collect::<Vec<_>>(), &list[..]);
                for (index, row) in list.iter().enumerate() {
                    prop_assert_eq!(rows.get(index), Some(*row));
                    prop_assert_eq!(std::array::from_fn(|column| rows.number(index, column)), *row);
                    for (column, number) in row.iter().enumerate() {
                        let (low, high) = rows.bounds(column).unwrap();
                        prop_assert!((low..=high).contains(number));
                    }
                }
                prop_assert_eq!(rows.get(list.len()), None);
                prop_assert_eq!(&rows, &rows.tightened(0));
            }
        }

        #[test]
        fn a_signed_number_returns_and_keeps_its_order(one in any::<i64>(), other in any::<i64>()) {
            prop_assert_eq!(from_ordered(ordered(one)), one);
            prop_assert_eq!(from_zigzag(zigzag(one)), one);
            prop_assert_eq!(ordered(one) < ordered(other), one < other);
        }
    }

    #[test]
    fn a_number_whose_distance_wraps_around_stays_when_the_base_becomes_lower() {
        let numbers = [u64::MAX - 10, u64::MAX - 1, 20, u64::MAX - 50];
        let mut rows = Rows::NONE;
        numbers.iter().for_each(|number| rows.push(&[*number, 0, 0, 0]));
        assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), numbers);
    }

    #[test]
    fn equal_numbers_take_no_bits() {
        let mut rows = Rows::NONE;
        (0..64_u64).for_each(|n| rows.push(&[u64::MAX - 1, 1 << 40, 0, n % 2]));
        assert_eq!(rows.tightened(0).heap_bytes(), 8, "64 rows of one bit");
    }

    #[test]
    fn sizes_are_those_of_an_allocator() {
        let sizes: Vec<usize> = [1, 8, 9, 10, 11, 13, 15, 17, 21, 33, 41, 57, 65, 100, 129].map(allocated_words).into();
        assert_eq!(sizes, [8, 8, 10, 10, 12, 14, 16, 20, 24, 40, 48, 64, 80, 112, 160]);
    }
}
