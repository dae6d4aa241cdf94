//! Retailrocket: `timestamp,visitorid,event,itemid,transactionid`, times in milliseconds.
//!
//! A transaction of several items is several rows with one transaction id. That id is therefore
//! not an event's id, by which duplicates are found, and is not carried. No row has a worth.

use crate::event::Reason;

use super::table::{Named, Table, field};
use super::{Decoder, HeaderFault, Line, RawEvent, Rows, time};

const COLUMNS: [Named; 4] = [
    (field::TIME, "timestamp", true),
    (field::VISITOR, "visitorid", true),
    (field::KIND, "event", true),
    (field::ITEM, "itemid", true),
];

/// Reads Retailrocket's CSV.
pub struct RetailRocket {
    table: Table,
}

impl RetailRocket {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HeaderFault`] when a column is missing or there twice.
    pub fn new(header: &[u8]) -> Result<RetailRocket, HeaderFault> {
        let (table, _) = Table::named(b',', header, &COLUMNS)?;
        Ok(RetailRocket { table })
    }

    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        self.table.read(line)?.0.read(time::millis)
    }
}

impl Decoder for RetailRocket {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::Kind;

    #[test]
    fn the_three_kinds_are_read() {
        let mut decoder =
            RetailRocket::new(b"timestamp,visitorid,event,itemid,transactionid").unwrap();
        let found = decode(
            &mut decoder,
            &[
                "1433221332117,257597,view,355908,",
                "1433221332118,257597,addtocart,355908,",
                "1433221332119,257597,transaction,355908,4000",
                "1433221332119,257597,return,355908,4000",
            ],
        );
        let expected = |ms, kind| {
            let mut expected = RawEvent::new(ms, kind, b"257597");
            expected.item = b"355908";
            event(expected)
        };
        assert_eq!(
            found,
            [
                expected(1_433_221_332_117, Kind::ItemView),
                expected(1_433_221_332_118, Kind::AddToCart),
                expected(1_433_221_332_119, Kind::Purchase),
                reject(0, Reason::Kind),
            ]
        );
    }

    #[test]
    fn a_header_without_the_visitor_is_refused() {
        let fault = RetailRocket::new(b"timestamp,visitor_id,event,itemid").err();
        assert_eq!(
            fault.unwrap().to_string(),
            "the header lacked the column `visitorid`; is `visitor_id` meant to be it?"
        );
    }
}
