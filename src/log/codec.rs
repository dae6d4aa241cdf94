//! Little-endian numbers in and out of byte strings: what bodies of frames are made of.
//!
//! Reading never trusts a length: every number is taken from what is left of the body, and a body
//! that ends too early, or late, is `None`. Lists are counted but grown one by one, so that a
//! damaged count cannot ask for memory. Cost: a copy of the number.

pub(super) fn put_u8(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u128(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// What is left of a body.
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A counted list.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Take<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(one(self)?);
        }
        Some(all)
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_short_bodies_are_none() {
        let mut body = Vec::new();
        put_u8(&mut body, 7);
        put_u16(&mut body, 300);
        put_u32(&mut body, 70_000);
        put_u64(&mut body, u64::MAX - 1);
        put_u128(&mut body, 1 << 100);
        let read = |bytes: &[u8]| {
            let mut take = Take(bytes);
            let all = (take.u8()?, take.u16()?, take.u32()?, take.u64()?);
            let more = take.u128()?;
            take.end()?;
            Some((all, more))
        };
        let right = ((7, 300, 70_000, u64::MAX - 1), 1 << 100);
        assert_eq!(read(&body), Some(right));
        for end in 0..body.len() {
            assert_eq!(read(&body[..end]), None);
        }
        body.push(0);
        assert_eq!(read(&body), None);
    }

    #[test]
    fn a_damaged_count_asks_for_no_memory() {
        let mut body = Vec::new();
        put_u32(&mut body, u32::MAX);
        put_u64(&mut body, 1);
        assert_eq!(Take(&body).list(Take::u64), None);
    }
}
