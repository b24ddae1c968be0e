//! Figures beside their limits.

use std::fmt;

/// Rows in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    what: String,
    figure: f64,
    limit: Option<Limit>,
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Table {
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, limit: f64) {
        self.add(what, figure, Some(Limit::AtLeast(limit)));
    }

    pub(crate) fn at_most(&mut self, what: &str, figure: f64, limit: f64) {
        self.add(what, figure, Some(Limit::AtMost(limit)));
    }

    /// A figure to compare others with, or to know.
    pub(crate) fn note(&mut self, what: &str, figure: f64) {
        self.add(what, figure, None);
    }

    fn add(&mut self, what: &str, figure: f64, limit: Option<Limit>) {
        self.0.push(Row { what: what.to_owned(), figure, limit });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        writeln!(f, "{:width$}  {:>12}  {:>14}", "what", "measured", "limit")?;
        for Row { what, figure, limit } in &self.0 {
            let (limit, kept) = match *limit {
                None => (String::new(), ""),
                Some(Limit::AtLeast(limit)) => (format!(">= {}", number(limit)), kept(*figure >= limit)),
                Some(Limit::AtMost(limit)) => (format!("<= {}", number(limit)), kept(*figure <= limit)),
            };
            writeln!(f, "{what:width$}  {:>12}  {limit:>14}  {kept}", number(*figure))?;
        }
        Ok(())
    }
}

fn kept(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

fn number(figure: f64) -> String {
    if figure < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}
