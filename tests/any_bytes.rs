//! Any bytes as a log of any format: never a panic, and every row accounted for.
//!
//! Pure noise rarely gets past the first field, so most cases are good logs with pieces cut out,
//! doubled and overwritten.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use restage::format::FormatName;

#[allow(dead_code, reason = "the other targets are for the corpus")]
#[path = "../fuzz/src/lib.rs"]
mod fuzzing;

/// A good log of each format.
const GOOD: [&str; 9] = [
    "arrival_ms,event_ms,visitor,kind,item,price\n1600000000500,1600000000000,ann,item_view,\"a, b\",5\n\
     1600000000600,1600000000500,ann,search,,\n",
    "{\"event_ms\":1600000000000,\"visitor\":\"ann\",\"kind\":\"click\",\"price\":1.5}\n\
     {\"event_ms\":1600000000001,\"visitor\":\"b\\u00fcb\",\"kind\":\"scroll\",\"value\":0.5}\n",
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n\
     2019-10-01 00:00:00 UTC,view,44,21,,x,35.79,54,72d\n2019-10-01 00:00:01 UTC,cart,39,,a.b,y,33.20,55,933\n",
    "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n\
     1433221334000,257597,transaction,355908,7\n",
    "1,22,25,pv,1511544070\n1,23,25,cart,1511544071\n1,23,25,buy,1511544072\n",
    "1,2014-04-07T10:51:09.277Z,214,0\n1,2014-04-07T10:54:09.868Z,215,S\n",
    "SessionId\tItemId\tTime\n1\t214\t1396778691.5\n1\t215\t1396778692\n",
    "{\"session\":0,\"events\":[{\"aid\":1,\"ts\":1659304800025,\"type\":\"clicks\"},\
     {\"aid\":2,\"ts\":1659304800026,\"type\":\"orders\"}]}\n",
    "11+5+7+10+90 11+8+7+5+90 22+1+7+4+3\n11+9+7+2+1 11+10+7+0+1\n",
];

/// Where and what to overwrite, and how many bytes go.
type Damage = (prop::sample::Index, Vec<u8>, usize);

fn damage() -> impl Strategy<Value = Damage> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..4),
        vec(select(b"\"\\,\n\r\t{}[]+-.0e \0".to_vec()), 1..4),
        select(vec![
            &b"1e400"[..],
            b"NaN",
            b"\xef\xbb\xbf",
            b"99999999999999999999"
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    (any::<prop::sample::Index>(), piece, 0usize..6)
}

fn damaged(good: &str, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    for (at, piece, gone) in damages {
        let from = at.index(bytes.len() + 1);
        let to = (from + gone).min(bytes.len());
        bytes.splice(from..to, piece.iter().copied());
    }
    bytes
}

fn every_way(bytes: &[u8]) {
    fuzzing::log(None, bytes);
    for format in FormatName::ALL {
        fuzzing::log(Some(format), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn noise_is_accounted_for(bytes in vec(any::<u8>(), 0..300)) {
        every_way(&bytes);
    }

    #[test]
    fn damaged_logs_are_accounted_for(
        good in select(GOOD.to_vec()),
        damages in vec(damage(), 0..6),
    ) {
        every_way(&damaged(good, &damages));
    }
}
