//! What a shopper did: the seventeen kinds of event, their names and the names other logs use.

use serde::{Deserialize, Serialize};

/// The kind of an event. The discriminant is its number in files and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A page was opened.
    PageView,
    /// A list of products was opened.
    ListView,
    /// A product page was opened.
    ItemView,
    /// Something was clicked or marked as a favourite.
    Click,
    /// A search was made.
    Search,
    /// The page was scrolled; the value is the depth, 0–1.
    Scroll,
    /// Time was spent; the value is in seconds.
    Dwell,
    /// An item went into the cart.
    AddToCart,
    /// An item was taken out of the cart.
    RemoveFromCart,
    /// The cart was looked at.
    ViewCart,
    /// The checkout was entered.
    BeginCheckout,
    /// An order was placed; the value is its worth.
    Purchase,
    /// Money was given back; the value is how much.
    Refund,
    /// A slot was seen.
    Impression,
    /// The pointer left towards closing the page.
    ExitIntent,
    /// A consent was given or withdrawn.
    Consent,
    /// The visitor asks to be forgotten.
    Erase,
}

/// Number of kinds.
pub const KIND_COUNT: usize = 17;

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; KIND_COUNT] = [
        Kind::PageView,
        Kind::ListView,
        Kind::ItemView,
        Kind::Click,
        Kind::Search,
        Kind::Scroll,
        Kind::Dwell,
        Kind::AddToCart,
        Kind::RemoveFromCart,
        Kind::ViewCart,
        Kind::BeginCheckout,
        Kind::Purchase,
        Kind::Refund,
        Kind::Impression,
        Kind::ExitIntent,
        Kind::Consent,
        Kind::Erase,
    ];

    /// The name in Restage's own logs and records.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::PageView => "page_view",
            Kind::ListView => "list_view",
            Kind::ItemView => "item_view",
            Kind::Click => "click",
            Kind::Search => "search",
            Kind::Scroll => "scroll",
            Kind::Dwell => "dwell",
            Kind::AddToCart => "add_to_cart",
            Kind::RemoveFromCart => "remove_from_cart",
            Kind::ViewCart => "view_cart",
            Kind::BeginCheckout => "begin_checkout",
            Kind::Purchase => "purchase",
            Kind::Refund => "refund",
            Kind::Impression => "impression",
            Kind::ExitIntent => "exit_intent",
            Kind::Consent => "consent",
            Kind::Erase => "erase",
        }
    }

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(number)).copied()
    }

    /// Reads a kind by its own name or by the name another vocabulary gives it. Case matters.
    pub fn parse(text: &[u8]) -> Option<Kind> {
        Some(match text {
            b"page_view" => Kind::PageView,
            b"list_view" => Kind::ListView,
            b"item_view" | b"view" | b"pv" | b"clicks" => Kind::ItemView,
            b"click" | b"fav" => Kind::Click,
            b"search" => Kind::Search,
            b"scroll" => Kind::Scroll,
            b"dwell" => Kind::Dwell,
            b"add_to_cart" | b"cart" | b"carts" | b"addtocart" | b"addToCart" => Kind::AddToCart,
            b"remove_from_cart" => Kind::RemoveFromCart,
            b"view_cart" => Kind::ViewCart,
            b"begin_checkout" => Kind::BeginCheckout,
            b"purchase" | b"buy" | b"orders" | b"transaction" => Kind::Purchase,
            b"refund" => Kind::Refund,
            b"impression" => Kind::Impression,
            b"exit_intent" => Kind::ExitIntent,
            b"consent" => Kind::Consent,
            b"erase" => Kind::Erase,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_round_trip() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(Kind::from_number(number as u8), Some(kind));
            assert_eq!(Kind::parse(kind.name().as_bytes()), Some(kind));
        }
        assert_eq!(Kind::from_number(17), None);
        assert_eq!(Kind::parse(b"View"), None);
    }
}
