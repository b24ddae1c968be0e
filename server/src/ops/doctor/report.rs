//! What the doctor says, for people and for programs.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;

use super::{Check, Status};
use crate::config::BAD_CONFIGURATION;

pub(super) struct Report {
    pub(super) checks: Vec<Check>,
    /// Whether the configuration can be used at all.
    pub(super) usable: bool,
}

impl Report {
    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// A line for each check, the mend below it, the counts at the end. Each mark has its word beside it.
    pub(super) fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Check { id, status, message, mend } in &self.checks {
            let (mark, word) = match status {
                Status::Ok => ("✓", "ok"),
                Status::Warn => ("!", "warning"),
                Status::Fail => ("✗", "failure"),
                Status::Skipped => ("·", "skipped"),
            };
            let _ = writeln!(text, "{mark} {word:<7}  {id:<width$}  {message}"); // a String takes every line
            if let Some(mend) = mend {
                let _ = writeln!(text, "{:indent$}→ {mend}", "", indent = width + 13);
            }
        }
        let _ = writeln!(
            text,
            "\n{} checks: {} ok, {}, {}, {} skipped",
            self.checks.len(),
            self.count(Status::Ok),
            counted(self.count(Status::Warn), "warning"),
            counted(self.count(Status::Fail), "failure"),
            self.count(Status::Skipped),
        );
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "checks": self.checks,
            "summary": {
                "ok": self.count(Status::Ok), "warn": self.count(Status::Warn),
                "fail": self.count(Status::Fail), "skipped": self.count(Status::Skipped),
            },
        })
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        if !self.usable {
            ExitCode::from(BAD_CONFIGURATION)
        } else if self.count(Status::Fail) > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
