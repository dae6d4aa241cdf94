//! Restage's own CSV: a header and the thirteen fields of an event, in any order.
//!
//! ```text
//! event_ms,visitor,kind,item,price
//! 1600000000000,ann,item_view,shoe-7,49.90
//! ```
//!
//! `event_ms`, `visitor` and `kind` must be there; an unknown or repeated column is an error, so
//! that a misspelt one is never silently left out. Cost: no allocation a row.

use crate::event::Reason;
use crate::suggest::nearest;

use super::csv_row::CsvRow;
use super::fields::{FIELD_COUNT, FIELD_NAMES, FIELDS_REQUIRED};
use super::table::{Named, Table};
use super::{Decoder, HeaderFault, Line, RawEvent, Rows, time};

/// Reads Restage's own CSV.
pub struct RestageCsv {
    table: Table,
}

impl RestageCsv {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HeaderFault`] when a column is missing, unknown or there twice.
    pub fn new(header: &[u8]) -> Result<RestageCsv, HeaderFault> {
        for column in CsvRow::new(b',').header(header)? {
            if !FIELD_NAMES.contains(&column.as_str()) {
                return Err(HeaderFault::Unknown {
                    nearest: nearest(&column, FIELD_NAMES).map(str::to_owned),
                    column,
                });
            }
        }
        let named: [Named; FIELD_COUNT] = std::array::from_fn(|field| {
            (field, FIELD_NAMES[field], FIELDS_REQUIRED.contains(&field))
        });
        let (table, _) = Table::named(b',', header, &named)?;
        Ok(RestageCsv { table })
    }

    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        self.table.read(line)?.0.read(time::millis)
    }
}

impl Decoder for RestageCsv {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, decode, event, reject};
    use super::*;
    use crate::event::{Device, Kind, Micros};

    const HEADER: &[u8] =
        b"arrival_ms,event_ms,visitor,session,kind,item,category,price,quantity,value,page,event_id";

    #[test]
    fn a_full_row_gives_every_field() {
        let mut csv = RestageCsv::new(HEADER).unwrap();
        let found = decode(
            &mut csv,
            &["1600000000500,1600000000000,ann,s1,purchase,shoe,shoes,49.9,2,99.8,\"pay, now\",e1"],
        );
        let mut expected = RawEvent::new(1_600_000_000_000, Kind::Purchase, b"ann");
        expected.arrival_ms = Some(1_600_000_000_500);
        expected.session = b"s1";
        expected.item = b"shoe";
        expected.category = b"shoes";
        expected.price = Micros::new(49_900_000);
        expected.quantity = 2;
        expected.value = Micros::new(99_800_000);
        expected.page = b"pay, now";
        expected.event_id = b"e1";
        assert_eq!(found, [event(expected)]);
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let mut csv = RestageCsv::new(b"kind,visitor,event_ms").unwrap();
        let expected = RawEvent::new(1_600_000_000_000, Kind::Search, "günter".as_bytes());
        assert_eq!(
            decode(&mut csv, &["search,günter,1600000000000"]),
            [event(expected)]
        );
    }

    #[test]
    fn a_device_is_read_where_there_is_a_column_and_never_spoils_a_row() {
        let mut csv = RestageCsv::new(b"event_ms,visitor,kind,device").unwrap();
        let long = "x".repeat(5_000);
        for (text, device) in [
            ("mobile", Device::Mobile),
            ("PC", Device::Desktop),
            ("\"Tablet\"", Device::Tablet),
            ("", Device::Unknown),
            ("fridge", Device::Unknown),
            (&long, Device::Unknown),
        ] {
            let mut expected = RawEvent::new(1_600_000_000_000, Kind::Search, b"ann");
            expected.device = device;
            let row = format!("1600000000000,ann,search,{text}");
            assert_eq!(decode(&mut csv, &[row]), [event(expected)]);
        }
    }

    #[test]
    fn rows_that_are_wrong_have_a_reason() {
        let mut csv = RestageCsv::new(b"event_ms,visitor,kind,item").unwrap();
        let rows: [(&[u8], Reason); 8] = [
            (b"1600000000000,ann,search", Reason::FieldCount),
            (b"1600000000000,ann,search,,", Reason::FieldCount),
            (b"1600000000000,\"ann,search,", Reason::Syntax),
            (b"1600000000000,ann,search,\xff", Reason::Encoding),
            (b"1600000000000,ann,search,a\0", Reason::Encoding),
            (b"1600000000.5,ann,search,", Reason::Timestamp),
            (b"1600000000000,,search,", Reason::Id),
            (b"1600000000000,ann,seek,", Reason::Kind),
        ];
        for (row, reason) in rows {
            let found: Vec<Found> = decode(&mut csv, &[row]);
            assert_eq!(found, [reject(0, reason)], "{}", row.escape_ascii());
        }
    }

    #[test]
    fn a_wrong_header_is_named_with_a_suggestion() {
        let fault = |header: &[u8]| RestageCsv::new(header).err().unwrap().to_string();
        assert_eq!(
            fault(b"event_ms,vistor,kind"),
            "the header had an unknown column `vistor`; did you mean `visitor`?"
        );
        assert_eq!(
            fault(b"event_ms,kind"),
            "the header lacked the column `visitor`"
        );
        assert_eq!(
            fault(b"event_ms,visitor,kind,kind"),
            "the header had the column `kind` twice"
        );
    }
}
