//! What the HTML pages have in common: they need nothing else, ask no server
//! for anything, and take every text for text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/charts.js");
const HEAD: &str = include_str!("page/head.html");
const CHART: &str = include_str!("page/chart.html");

/// A page by its template, which may include `head.html` and import
/// `chart.html`.
pub(super) fn render(name: &str, template: &str, values: Value) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let parts = [("head.html", HEAD), ("chart.html", CHART), (name, template)];
    for (name, part) in parts {
        environment.add_template(name, part).expect("templates are part of the source");
    }
    // A browser runs this script and no other, whatever a text says.
    let script_hash = STANDARD.encode(Sha256::digest(SCRIPT));
    let page = environment.get_template(name).expect("it was just added");
    page.render(context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        script_hash,
        ..values
    })
    .expect("the values are what the template names")
}
