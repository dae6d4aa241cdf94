//! Several numbers of a session, in a word of 32 bits each while all of them fit.
//!
//! Sums, gaps and times since the session began nearly always do. The first number that does not moves all
//! of them into 64 bits behind a pointer; nothing is rounded or cut off. Cost: a comparison a look.

/// So many numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow<const COUNT: usize> {
    /// None is above 2³² − 1.
    Words([u32; COUNT]),
    /// Some are, or were.
    Longs(Box<[u64; COUNT]>),
}

impl<const COUNT: usize> Default for Narrow<COUNT> {
    fn default() -> Self {
        Narrow::Words([0; COUNT])
    }
}

impl<const COUNT: usize> Narrow<COUNT> {
    /// A number.
    #[inline]
    pub fn get(&self, at: usize) -> u64 {
        match self {
            Narrow::Words(words) => words[at].into(),
            Narrow::Longs(longs) => longs[at],
        }
    }

    /// Sets a number.
    #[inline]
    pub fn put(&mut self, at: usize, number: u64) {
        match (&mut *self, u32::try_from(number)) {
            (Narrow::Words(words), Ok(word)) => words[at] = word,
            (Narrow::Longs(longs), _) => longs[at] = number,
            (Narrow::Words(_), Err(_)) => self.widen()[at] = number,
        }
    }

    #[cold]
    fn widen(&mut self) -> &mut [u64; COUNT] {
        if let Narrow::Words(words) = self {
            *self = Narrow::Longs(Box::new(words.map(u64::from)));
        }
        match self {
            Narrow::Longs(longs) => longs,
            Narrow::Words(_) => unreachable!("they have just been made long"),
        }
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        match self {
            Narrow::Words(_) => 0,
            Narrow::Longs(longs) => size_of_val(&**longs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_to_more_bits_loses_nothing() {
        let mut numbers = Narrow::<3>::default();
        let most = u64::from(u32::MAX);
        numbers.put(0, 7);
        numbers.put(1, most);
        assert!(matches!(numbers, Narrow::Words(_)));
        for more in [most + 1, u64::MAX, 5] {
            numbers.put(2, more);
            assert!(matches!(numbers, Narrow::Longs(_)));
            assert_eq!([0, 1, 2].map(|at| numbers.get(at)), [7, most, more]);
        }
    }
}
