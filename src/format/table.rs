//! Delimited logs: which column is which field of an event.
//!
//! A [`Table`] is what the CSV formats have in common. Each of them says by what names its header
//! calls the fields, or where they stand when there is no header; the table cuts a line, checks
//! the number of its fields, and hands back the texts of one event.

use crate::event::Reason;

use super::HeaderFault;
use super::csv_row::{CsvRow, Row, column, column_required};
use super::fields::{FIELD_COUNT, Fields};

/// Places of an event's fields in [`Fields`] and in [`super::FIELD_NAMES`].
pub(super) mod field {
    pub(in super::super) const ARRIVAL: usize = 0;
    pub(in super::super) const TIME: usize = 1;
    pub(in super::super) const VISITOR: usize = 2;
    pub(in super::super) const SESSION: usize = 3;
    pub(in super::super) const KIND: usize = 4;
    pub(in super::super) const ITEM: usize = 5;
    pub(in super::super) const CATEGORY: usize = 6;
    pub(in super::super) const PRICE: usize = 7;
    pub(in super::super) const QUANTITY: usize = 8;
    pub(in super::super) const VALUE: usize = 9;
    pub(in super::super) const PAGE: usize = 10;
    pub(in super::super) const EVENT_ID: usize = 11;
    pub(in super::super) const DEVICE: usize = 12;
}

/// A field, the name of its column, and whether the column must be there.
pub(super) type Named = (usize, &'static str, bool);

/// A column that no field comes from.
const NOWHERE: usize = usize::MAX;

/// A delimited log with known columns.
pub(super) struct Table {
    row: CsvRow,
    width: usize,
    places: [usize; FIELD_COUNT],
}

impl Table {
    /// A log without a header: `width` columns, and the column of each field, from 0.
    pub(super) fn fixed(delimiter: u8, width: usize, columns: &[(usize, usize)]) -> Table {
        let mut places = [NOWHERE; FIELD_COUNT];
        for &(field, place) in columns {
            places[field] = place;
        }
        Table {
            row: CsvRow::new(delimiter),
            width,
            places,
        }
    }

    /// A log with a header; columns it has beside the named ones are passed over.
    pub(super) fn named(
        delimiter: u8,
        header: &[u8],
        columns: &[Named],
    ) -> Result<(Table, Vec<String>), HeaderFault> {
        let mut row = CsvRow::new(delimiter);
        let names = row.header(header)?;
        let mut places = [NOWHERE; FIELD_COUNT];
        for &(field, name, required) in columns {
            places[field] = if required {
                column_required(&names, name)?
            } else {
                column(&names, name)?.unwrap_or(NOWHERE)
            };
        }
        let table = Table {
            row,
            width: names.len(),
            places,
        };
        Ok((table, names))
    }

    /// The texts of the event in `line`, and the whole row for what is special to a format.
    #[inline(always)]
    pub(super) fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<(Fields<'a>, Row<'a>), Reason> {
        let row = self.row.split(line)?;
        if row.len() != self.width {
            return Err(Reason::FieldCount);
        }
        let text = |field: usize| row.get(self.places[field]);
        let fields = Fields {
            arrival: text(field::ARRIVAL),
            time: text(field::TIME),
            visitor: text(field::VISITOR),
            session: text(field::SESSION),
            kind: text(field::KIND),
            item: text(field::ITEM),
            category: text(field::CATEGORY),
            price: text(field::PRICE),
            quantity: text(field::QUANTITY),
            value: text(field::VALUE),
            page: text(field::PAGE),
            event_id: text(field::EVENT_ID),
            device: text(field::DEVICE),
        };
        Ok((fields, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_order_and_counted() {
        let columns = [(field::VISITOR, "who", true), (field::ITEM, "what", false)];
        let (mut table, names) = Table::named(b';', b"what;x;who", &columns).unwrap();
        assert_eq!(names, ["what", "x", "who"]);
        let (fields, row) = table.read(b"shoe;1;ann").unwrap();
        assert_eq!((fields.visitor, fields.item), (&b"ann"[..], &b"shoe"[..]));
        assert_eq!((fields.page, row.get(1)), (&b""[..], &b"1"[..]));
        assert_eq!(table.read(b"shoe;1").err(), Some(Reason::FieldCount));
        assert_eq!(table.read(b"shoe;1;ann;").err(), Some(Reason::FieldCount));
    }

    #[test]
    fn a_missing_column_is_named_with_what_it_may_be() {
        let fault = Table::named(b',', b"whoo,what", &[(field::VISITOR, "who", true)]).err();
        assert_eq!(
            fault,
            Some(HeaderFault::Missing {
                column: "who".into(),
                nearest: Some("whoo".into())
            })
        );
        let fault = Table::named(b',', b"who,who", &[(field::VISITOR, "who", false)]).err();
        assert_eq!(
            fault,
            Some(HeaderFault::Repeated {
                column: "who".into()
            })
        );
    }
}
