//! Of what the parts of a snapshot are made: names and order of fields and variants, as they are read.
//!
//! State is encoded without names. A field that is added or gone is noticed when the bytes of an older
//! snapshot no longer come out even; two that change places, or a variant put in between, are not. So the
//! fixture (`tests/fixtures/state`) is read here through a deserializer that notes down
//! every struct and enum that it meets, with all their fields and variants in order, and what it notes is
//! kept beside the fixture.
//!
//! Invariant: a change of what a version's bytes mean fails here, whatever it does to the decisions.

use super::{OTHER_LAYOUT, fixture, is_to_be_made};
use restage::flow::durable::restore::About;
use restage::flow::durable::{Counted, Part, PartKind};
use restage::format::mark::LaneMark;
use restage::log::VERSION;
use restage::log::disk::Disk;
use restage::log::inspect::{inspect, snapshots};
use restage::visit::learn::learner::Learner;
use restage::visit::learn::tables::{Change, SavedTables};
use restage::visit::rank::window::Window;
use restage::visit::visitors::saved::SavedBin;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// What was met, a line each.
type Met = RefCell<BTreeSet<String>>;

/// Anything that takes part in reading, and notes down what goes through it.
struct Noting<'m, T>(T, &'m Met);

impl<T> Noting<'_, T> {
    fn note(&self, what: &str, name: &str, of: &[&str]) {
        let line = format!("{what} {name}: {}", of.join(", "));
        self.1.borrow_mut().insert(line);
    }
}

/// Reads one thing after the other.
macro_rules! read {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Noting(visitor, self.1))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Noting<'_, D> {
    type Error = D::Error;

    read! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq
        deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0
            .deserialize_unit_struct(name, Noting(visitor, self.1))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.note("newtype", name, &[]);
        self.0
            .deserialize_newtype_struct(name, Noting(visitor, self.1))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(count, Noting(visitor, self.1))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.note("tuple", name, &[&count.to_string()]);
        self.0
            .deserialize_tuple_struct(name, count, Noting(visitor, self.1))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.note("struct", name, fields);
        self.0
            .deserialize_struct(name, fields, Noting(visitor, self.1))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.note("enum", name, variants);
        self.0
            .deserialize_enum(name, variants, Noting(visitor, self.1))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Passes values on.
macro_rules! pass {
    ($($method:ident: $kind:ty)*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Noting<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    pass! {
        visit_bool: bool visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128
        visit_u8: u8 visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128 visit_f32: f32
        visit_f64: f64 visit_char: char visit_str: &str visit_borrowed_str: &'de str visit_bytes: &[u8]
        visit_borrowed_bytes: &'de [u8]
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Noting(inner, self.1))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Noting(inner, self.1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Noting(all, self.1))
    }

    fn visit_map<A: MapAccess<'de>>(self, all: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Noting(all, self.1))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, one: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Noting(one, self.1))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Noting<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, of: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Noting(of, self.1))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Noting<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Noting(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Noting<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(Noting(seed, self.1))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Noting(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for Noting<'m, A> {
    type Error = A::Error;
    type Variant = Noting<'m, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Noting(seed, self.1))?;
        Ok((value, Noting(variant, self.1)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Noting<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Noting(seed, self.1))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(count, Noting(visitor, self.1))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.note("variant", "of struct", fields);
        self.0.struct_variant(fields, Noting(visitor, self.1))
    }
}

/// Reads a state of this type, and all of it.
fn read<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8], met: &Met) -> Result<(), String> {
    let mut reader = postcard::Deserializer::from_bytes(bytes);
    T::deserialize(Noting(&mut reader, met)).map_err(|error| error.to_string())?;
    let rest = reader.finalize().map_err(|error| error.to_string())?;
    let is_all = rest.is_empty();
    is_all
        .then_some(())
        .ok_or_else(|| format!("{} bytes are left", rest.len()))
}

fn read_part(part: &Part, met: &Met) -> Result<(), String> {
    let bytes = &part.bytes[..];
    match part.kind {
        PartKind::About => read::<About>(bytes, met),
        PartKind::Bin => read::<SavedBin>(bytes, met),
        PartKind::Window => read::<Window>(bytes, met),
        PartKind::Lanes => read::<Vec<(u16, LaneMark)>>(bytes, met),
        PartKind::Tables => read::<SavedTables>(bytes, met),
        PartKind::Counted => read::<Counted>(bytes, met),
        PartKind::Learned => read::<Learner>(bytes, met),
        PartKind::Noted => read::<Vec<(u64, Change)>>(bytes, met),
    }
}

#[test]
fn what_the_parts_of_a_snapshot_are_made_of_is_pinned() {
    let dir = fixture();
    let contents = inspect(&Disk, &dir).unwrap().expect("a fixture's state");
    let met = Met::default();
    for found in snapshots(&Disk, &dir, &contents) {
        assert_eq!(found.version, Some(VERSION));
        for part in found.parts.unwrap() {
            let part = Part::try_from(part).unwrap();
            let (kind, number) = (part.kind.name(), part.number);
            if let Err(what) = read_part(&part, &met) {
                panic!("{kind}, {number}: {what}: {OTHER_LAYOUT}");
            }
        }
    }
    let met: Vec<String> = met.into_inner().into_iter().collect();
    let met = met.join("\n") + "\n";
    let list = dir.with_extension("layout");
    if is_to_be_made() {
        std::fs::write(&list, &met).unwrap();
    }
    let known = std::fs::read_to_string(&list).unwrap();
    let lacks = |all: &str, line: &&str| !all.lines().any(|other| other == *line);
    let new: Vec<&str> = met.lines().filter(|line| lacks(&known, line)).collect();
    let gone: Vec<&str> = known.lines().filter(|line| lacks(&met, line)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{OTHER_LAYOUT}\nversion {VERSION} had\n  {}\nand now it is\n  {}",
        gone.join("\n  "),
        new.join("\n  ")
    );
}
