//! Storage for many values of one type under small keys, in chunks that never move.
//!
//! Growing never copies what is there, so no single event pays for a million. Keys are reused.

/// The slab; it grows by `CHUNK` values at a time.
#[derive(Debug)]
pub struct Slab<T, const CHUNK: usize = 1024> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T, const CHUNK: usize> Default for Slab<T, CHUNK> {
    fn default() -> Self {
        Slab {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Default, const CHUNK: usize> Slab<T, CHUNK> {
    /// A key whose value is either fresh or left over from the last use: the caller resets it.
    pub fn take_key(&mut self) -> u32 {
        if let Some(key) = self.free.pop() {
            return key;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[index];
        chunk.push(T::default());
        u32::try_from(index * CHUNK + chunk.len() - 1).expect("fewer than 2³² values")
    }

    /// Gives a key back.
    pub fn give_back(&mut self, key: u32) {
        self.free.push(key);
    }

    /// The value under `key`.
    #[inline]
    pub fn get(&self, key: u32) -> &T {
        &self.chunks[key as usize / CHUNK][key as usize % CHUNK]
    }

    /// The value under `key`.
    #[inline]
    pub fn get_mut(&mut self, key: u32) -> &mut T {
        &mut self.chunks[key as usize / CHUNK][key as usize % CHUNK]
    }
}
