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
        let chunk = self.chunk_with_room();
        chunk.push(T::default());
        let in_chunk = chunk.len() - 1;
        self.key_of(in_chunk)
    }

    /// Puts a value in; returns its key.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(key) = self.free.pop() {
            *self.get_mut(key) = value;
            return key;
        }
        let chunk = self.chunk_with_room();
        chunk.push(value);
        let in_chunk = chunk.len() - 1;
        self.key_of(in_chunk)
    }

    /// The last chunk, or another if it is full.
    fn chunk_with_room(&mut self) -> &mut Vec<T> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// The key of a place in the last chunk.
    fn key_of(&self, in_chunk: usize) -> u32 {
        let key = (self.chunks.len() - 1) * CHUNK + in_chunk;
        u32::try_from(key).expect("fewer than 2³² values")
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
