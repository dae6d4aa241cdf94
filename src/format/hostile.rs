//! Every decoder against lines that nobody would write: rows of all formats with bytes replaced,
//! removed and doubled.

use std::sync::Arc;

use proptest::prelude::*;

use super::jd::Jd;
use super::mapped::Mapped;
use super::otto::Otto;
use super::rees46::Rees46;
use super::restage_csv::RestageCsv;
use super::restage_jsonl::RestageJsonl;
use super::retailrocket::RetailRocket;
use super::taobao::Taobao;
use super::testing::{Found, decode};
use super::yoochoose::{YoochooseDat, YoochooseTsv};
use super::{Decoder, Mapping};
use crate::event::{ID_BYTES_MAX, PAGE_BYTES_MAX, TIME_MS_END, TIME_MS_MIN};

const ROWS: [&str; 10] = [
    "1600000000000,1600000000000,v,s,purchase,\"i\",c,9.50,1,0.5,p,e,mobile",
    r#"{"event_ms":1600000000000,"visitor":"v\n","kind":"scroll","value":0.5,"x":[{}],"device":"PC"}"#,
    "2020-01-02 03:04:05 UTC,view,1,2,a.b,c,3.50,4,5",
    "1433221332117,257597,view,355908,",
    "9,8,7,pv,1511848000",
    "5\t66\t1396437466.94",
    "5,2014-04-07T10:51:09.277Z,66,1257,2",
    r#"{"session":7,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"},{"aid":2}]}"#,
    "11+5+7+10+90 11+8+7+5+90 22+1+7+4+3",
    r#"{"at":1577934245000,"user":{"id":17},"name":"view","items":[{"sku":"a\"b"}],"in":"tablet"}"#,
];

fn decoders() -> Vec<Box<dyn Decoder>> {
    let mapping = "[source]\ntype = \"jsonl\"\n[columns]\nevent_ms = \"at\"\nvisitor = \"user.id\"\n\
                   kind = \"name\"\nitem = \"items.0.sku\"\ndevice = \"in\"\n";
    let mapping = Arc::new(Mapping::parse(mapping, "m.toml").unwrap());
    let own = b"arrival_ms,event_ms,visitor,session,kind,item,category,price,quantity,value,page,event_id,device";
    let rees46 = b"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session";
    let retailrocket = b"timestamp,visitorid,event,itemid,transactionid";
    vec![
        Box::new(RestageCsv::new(own).unwrap()),
        Box::new(RestageJsonl),
        Box::new(Rees46::new(rees46).unwrap()),
        Box::new(RetailRocket::new(retailrocket).unwrap()),
        Box::new(Taobao::default()),
        Box::new(YoochooseTsv::new(b"SessionId\tItemId\tTime").unwrap()),
        Box::new(YoochooseDat::default()),
        Box::new(Otto),
        Box::new(Jd::default()),
        Box::new(Mapped::new(mapping, b"").unwrap()),
    ]
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, u8),
    Remove(usize),
    Double(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"\",\\{}[]:+-.0e\0 \xff\t".to_vec())
    ];
    let edit = prop_oneof![
        (any::<usize>(), byte).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        any::<usize>().prop_map(Edit::Remove),
        (any::<usize>(), 1usize..2000).prop_map(|(at, times)| Edit::Double(at, times)),
    ];
    proptest::collection::vec(edit, 0..4)
}

fn edited(row: &str, edits: &[Edit]) -> Vec<u8> {
    let mut line = row.as_bytes().to_vec();
    for edit in edits {
        let len = line.len().max(1);
        match *edit {
            _ if line.is_empty() => {}
            Edit::Replace(at, byte) => line[at % len] = byte,
            Edit::Remove(at) => drop(line.remove(at % len)),
            Edit::Double(at, times) => {
                let at = at % len;
                line.splice(at..at, std::iter::repeat_n(line[at], times));
            }
        }
    }
    line.retain(|&byte| byte != b'\n');
    line
}

#[test]
fn every_row_is_read_by_its_own_decoder() {
    for (decoder, row) in decoders().iter_mut().zip(ROWS) {
        let found = decode(&mut **decoder, &[row]);
        assert!(matches!(found[0], Found::Event(_)), "{row}: {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// No line makes a decoder panic or say nothing, places grow, and what is taken is within the
    /// limits and clean.
    #[test]
    fn no_line_breaks_a_decoder(row in proptest::sample::select(&ROWS[..]), edits in edits()) {
        let line = edited(row, &edits);
        prop_assume!(!line.is_empty());
        for (number, decoder) in decoders().iter_mut().enumerate() {
            let found = decode(&mut **decoder, &[&line]);
            prop_assert!(!found.is_empty(), "decoder {number} says nothing");
            let place = |found: &Found| match found {
                Found::Event(event) => event.at,
                Found::Reject(at, _) => *at,
            };
            prop_assert!(found.windows(2).all(|two| place(&two[0]) < place(&two[1])));
            for event in found.iter().filter_map(Found::event) {
                let [visitor, session, item, category, page, event_id] = &event.texts;
                prop_assert!(!visitor.is_empty() && page.len() <= PAGE_BYTES_MAX);
                for id in [visitor, session, item, category, event_id] {
                    prop_assert!(id.len() <= ID_BYTES_MAX);
                }
                for text in &event.texts {
                    prop_assert!(std::str::from_utf8(text).is_ok() && !text.contains(&0));
                }
                prop_assert!((TIME_MS_MIN..TIME_MS_END).contains(&event.event_ms));
            }
        }
    }
}
