//! What the program is held to, each figure beside its limit, both from this run: `make bench`. A name as argument measures
//! that alone. A new measurement is a file here and a line in [`MEASUREMENTS`].
#![allow(clippy::unwrap_used)] // a bench that can't go on has failed

mod durable;
mod events;
mod program;
mod table;

use table::Table;

type Measure = fn(&mut Table);

const MEASUREMENTS: [(&str, Measure); 2] = [("durable", durable::measure), ("program", program::measure)];

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut table = Table::default();
    for (name, measure) in MEASUREMENTS {
        if only.as_deref().is_none_or(|only| only == name) {
            eprintln!("measuring: {name}");
            measure(&mut table);
        }
    }
    println!("\n{table}");
}
