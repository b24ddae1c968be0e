//! How much memory or disk.

use std::fmt;
use std::str::FromStr;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// An amount of memory or disk, written such as `256 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(
    /// In bytes.
    pub u64,
);

/// A text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an amount such as \"256 MiB\" or \"2 GiB\", or \"0\"")]
pub struct NotASize;

impl Size {
    /// So many mebibytes.
    pub const fn mib(count: u64) -> Self {
        Self(count * MIB)
    }
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let count: u64 = text[..digits].parse().map_err(|_| NotASize)?;
        let unit = match text[digits..].trim() {
            "" if count == 0 => 1,
            "KiB" => KIB,
            "MiB" => MIB,
            "GiB" => GIB,
            _ => return Err(NotASize),
        };
        count.checked_mul(unit).map(Self).ok_or(NotASize)
    }
}

/// Whole units, as nobody acts on a tenth.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ GIB.. => write!(f, "{} GiB", bytes / GIB),
            bytes => write!(f, "{} MiB", bytes / MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit_unless_it_is_nothing() {
        for (text, bytes) in [("0", 0), ("256 MiB", 256 * MIB), ("2GiB", 2 * GIB), (" 64 KiB ", 64 * KIB)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "256", "MiB", "-1 MiB", "1.5 GiB", "256 MB", "99999999999999 GiB"] {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text}");
        }
    }

    #[test]
    fn it_is_shown_in_whole_units() {
        assert_eq!(Size(GIB - 1).to_string(), "1023 MiB");
        assert_eq!(Size(5 * GIB / 2).to_string(), "2 GiB");
    }
}
