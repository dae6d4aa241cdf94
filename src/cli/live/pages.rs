//! The pages that come with the program: the demo shop, the control room, the snippet.
//!
//! They are built into it, so there is nothing to install. All are served under a strict content
//! security policy: no script and no style but ours, no markup from data.

use super::simulated::Crowd;
use crate::http::Problem;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;

/// The demo shop's write key.
pub const KEY: &str = "wk_demo";
/// The demo shop's policy.
pub const POLICY: &str = include_str!("../../../data/shop.toml");
/// The demo shop's products.
pub const ITEMS: &str = include_str!("../../../data/shop.csv");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8";

const POLICY_OF_CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Page = (&'static str, &'static str, &'static str);

/// Path, type, text.
const INDEX: &str = include_str!("../../../web/shop/index.html");
const SHOP: [Page; 9] = [
    ("/shop.css", CSS, include_str!("../../../web/shop/shop.css")),
    (
        "/drawer.css",
        CSS,
        include_str!("../../../web/shop/drawer.css"),
    ),
    (
        "/basket.js",
        SCRIPT,
        include_str!("../../../web/shop/basket.js"),
    ),
    (
        "/drawer.js",
        SCRIPT,
        include_str!("../../../web/shop/drawer.js"),
    ),
    (
        "/words.js",
        SCRIPT,
        include_str!("../../../web/shop/words.js"),
    ),
    (
        "/shop.js",
        SCRIPT,
        include_str!("../../../web/shop/shop.js"),
    ),
    (
        "/pictures.js",
        SCRIPT,
        include_str!("../../../web/shop/pictures.js"),
    ),
    (
        "/names.js",
        SCRIPT,
        include_str!("../../../web/shop/names.js"),
    ),
    (
        "/restage.js",
        SCRIPT,
        include_str!("../../../web/dist/restage.js"),
    ),
];

const CONTROL: [Page; 5] = [
    ("/", HTML, include_str!("../../../web/control/index.html")),
    (
        "/control.css",
        CSS,
        include_str!("../../../web/control/control.css"),
    ),
    (
        "/control.js",
        SCRIPT,
        include_str!("../../../web/control/control.js"),
    ),
    (
        "/uplot.js",
        SCRIPT,
        include_str!("../../../web/vendor/uPlot.iife.min.js"),
    ),
    (
        "/uplot.css",
        CSS,
        include_str!("../../../web/vendor/uPlot.min.css"),
    ),
];

fn page(form: &'static str, text: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, form),
        (header::CONTENT_SECURITY_POLICY, POLICY_OF_CONTENT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

fn with<S: Clone + Send + Sync + 'static>(mut router: Router<S>, pages: &[Page]) -> Router<S> {
    for &(path, form, text) in pages {
        router = router.route(path, get(move || async move { page(form, text) }));
    }
    router
}

/// The demo shop's paths, whose page carries this write key. Its products are asked for as they are sold.
pub fn shop(key: &str) -> Router {
    let router = with(Router::new(), &SHOP);
    let own = |key: &str| format!("data-key=\"{key}\"");
    let text: Arc<str> = INDEX.replace(&own(KEY), &own(key)).into();
    // Every view of the shop is a path of its own, of the same page.
    let index = move || {
        let text = text.to_string();
        async move { page(HTML, text) }
    };
    let index = get(index);
    router
        .route("/", index.clone())
        .route("/c/{category}", index.clone())
        .route("/p/{item}", index.clone())
        .route("/cart", index.clone())
        .route("/checkout", index.clone())
        .route("/thanks", index.clone())
        .route("/items.csv", get(|| async { page(CSV, ITEMS) }))
}

/// The control room's paths.
pub fn control(crowd: Crowd) -> Router {
    let router = Router::new().route("/v1/simulated", post(simulated).get(progress));
    with(router, &CONTROL).with_state(crowd)
}

/// How far the simulated shoppers are.
async fn progress(State(crowd): State<Crowd>) -> Response {
    crate::http::json(&crowd.progress())
}

/// Sends simulated shoppers; 409 while some are on their way. Another site's page may not.
async fn simulated(State(crowd): State<Crowd>, headers: HeaderMap) -> Response {
    let page = headers.get(header::ORIGIN);
    if page.is_some_and(|origin| !crate::http::is_own(origin, &headers)) {
        let what = "only the control room itself may send simulated shoppers";
        return Problem::new(StatusCode::FORBIDDEN, "origin", what).into_response();
    }
    match crowd.send() {
        true => StatusCode::ACCEPTED.into_response(),
        false => StatusCode::CONFLICT.into_response(),
    }
}
