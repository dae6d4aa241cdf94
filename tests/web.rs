//! What is sent to browsers: small, and never markup out of data.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("it is there")
}

#[test]
fn the_snippet_is_at_most_three_kilobytes() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed
        .write_all(read("web/dist/restage.js").as_bytes())
        .expect("memory");
    let bytes = packed.finish().expect("memory").len();
    assert!((500..=3_000).contains(&bytes), "{bytes} bytes gzipped");
}

#[test]
fn the_snippet_is_built_from_its_source() {
    use sha2::{Digest, Sha256};
    let sums = read("web/dist/SHA256SUMS");
    for file in ["src/restage.ts", "dist/restage.js"] {
        let hash = Sha256::digest(read(&format!("web/{file}")).as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{hash}  {file}\n");
        assert!(
            sums.contains(&line),
            "web/{file} has changed since `npm run build`"
        );
    }
}

#[test]
fn no_page_makes_markup_or_code_of_data() {
    let words = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ];
    for file in [
        "dist/restage.js",
        "src/restage.ts",
        "shop/shop.js",
        "shop/pictures.js",
        "shop/basket.js",
        "shop/drawer.js",
        "shop/words.js",
        "control/control.js",
    ] {
        let text = read(&format!("web/{file}"));
        for word in words {
            assert!(!text.contains(word), "web/{file} has {word}");
        }
    }
}

#[test]
fn pages_hold_no_script_or_style_of_their_own() {
    for file in ["shop/index.html", "control/index.html"] {
        let text = read(&format!("web/{file}"));
        for script in text.split("<script").skip(1) {
            assert!(script.starts_with(" src="), "web/{file} has a script in it");
        }
        for word in ["<style", " style=", " onclick="] {
            assert!(!text.contains(word), "web/{file} has {word}");
        }
    }
}
