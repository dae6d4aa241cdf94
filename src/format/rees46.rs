//! REES46's multi-category store: `event_time,event_type,product_id,category_id,category_code,
//! brand,price,user_id,user_session`.
//!
//! The price is that of the item. The category is `category_id`, or `category_code` where that is
//! empty; the brand is not carried. Columns are found by name, those beyond are passed over.

use crate::event::Reason;

use super::csv_row::column;
use super::table::{Named, Table, field};
use super::{Decoder, HeaderFault, Line, RawEvent, Rows, time};

const COLUMNS: [Named; 7] = [
    (field::TIME, "event_time", true),
    (field::KIND, "event_type", true),
    (field::ITEM, "product_id", true),
    (field::VISITOR, "user_id", true),
    (field::SESSION, "user_session", false),
    (field::CATEGORY, "category_id", false),
    (field::PRICE, "price", false),
];

/// Reads REES46's CSV.
pub struct Rees46 {
    table: Table,
    category_code: Option<usize>,
}

impl Rees46 {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HeaderFault`] when a column is missing or there twice.
    pub fn new(header: &[u8]) -> Result<Rees46, HeaderFault> {
        let (table, names) = Table::named(b',', header, &COLUMNS)?;
        Ok(Rees46 {
            table,
            category_code: column(&names, "category_code")?,
        })
    }

    fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<RawEvent<'a>, Reason> {
        let (mut fields, row) = self.table.read(line)?;
        if let (b"", Some(place)) = (fields.category, self.category_code) {
            fields.category = row.get(place);
        }
        fields.read(time::utc)
    }
}

impl Decoder for Rees46 {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        rows.row(self.read(line.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode, event, reject};
    use super::*;
    use crate::event::{Kind, Micros};

    const HEADER: &[u8] =
        b"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session";

    #[test]
    fn rows_give_item_category_price_and_session() {
        let mut decoder = Rees46::new(HEADER).unwrap();
        let found = decode(
            &mut decoder,
            &[
                "2020-01-02 03:04:05 UTC,cart,11,22,a.b,acme,33.20,44,s-5",
                "2020-01-02 03:04:05 UTC,view,11,,a.b,,0.00,44,",
            ],
        );
        let mut cart = RawEvent::new(1_577_934_245_000, Kind::AddToCart, b"44");
        cart.session = b"s-5";
        cart.item = b"11";
        cart.category = b"22";
        cart.price = Micros::new(33_200_000);
        let mut view = RawEvent::new(1_577_934_245_000, Kind::ItemView, b"44");
        view.item = b"11";
        view.category = b"a.b";
        view.price = Micros::ZERO;
        assert_eq!(found, [event(cart), event(view)]);
    }

    #[test]
    fn rows_that_are_wrong_have_a_reason() {
        let mut decoder = Rees46::new(b"user_id,event_time,event_type,product_id").unwrap();
        for (row, reason) in [
            ("1,2020-01-02 03:04:05,look,2", Reason::Kind),
            ("1,2020-01-32 03:04:05 UTC,view,2", Reason::Timestamp),
            (",2020-01-02 03:04:05 UTC,view,2", Reason::Id),
            ("1,2020-01-02 03:04:05 UTC,view", Reason::FieldCount),
        ] {
            assert_eq!(decode(&mut decoder, &[row]), [reject(0, reason)], "{row}");
        }
        assert!(Rees46::new(b"event_time,event_type,product_id,userid").is_err());
    }
}
