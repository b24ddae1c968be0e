//! Numbers, money and time as a person reads them. Pure; times are ms since 1970 and are shown in UTC.

use super::model::Amount;

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `1234567` is `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `2 events`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Minor units with the currency's digits: `1,299.00 USD`, `5,000 JPY`.
pub(super) fn money(amount: &Amount) -> String {
    let currency: String = amount.currency.chars().take(12).collect(); // a code has three
    let sign = if amount.minor < 0 { "−" } else { "" };
    let minor = amount.minor.unsigned_abs();
    let digits = usize::from(amount.digits.min(18));
    if digits == 0 {
        return format!("{sign}{} {currency}", count(minor));
    }
    let unit = 10_u64.pow(u32::from(amount.digits.min(18)));
    format!("{sign}{}.{:0digits$} {currency}", count(minor / unit), minor % unit)
}

/// A share with one digit, `2.5 %`; small shares are never shown as nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return NONE.to_owned();
    }
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    if tenths == 0 && part > 0 {
        return "< 0.1 %".to_owned();
    }
    if part == 0 { "0 %".to_owned() } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

/// Whole seconds as the two biggest units: `45 s`, `2 min 29 s`, `1 h 5 min`, `3 d 4 h`.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |big: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {part}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Milliseconds roughly, in one unit: `45 s`, `12 min`, `3 h`, `5 d`.
pub(super) fn roughly(ms: i64) -> String {
    match ms.max(0) {
        ms @ 0..MINUTE => format!("{} s", ms / SECOND),
        ms @ MINUTE..HOUR => format!("{} min", ms / MINUTE),
        ms @ HOUR..DAY => format!("{} h", ms / HOUR),
        ms => format!("{} d", ms / DAY),
    }
}

/// How long before `now` something happened: `just now`, `12 min ago`; after 30 days its date.
pub(super) fn ago(now: i64, at: i64) -> String {
    match now.saturating_sub(at) {
        ..SECOND => "just now".to_owned(),
        ms if ms < 30 * DAY => format!("{} ago", roughly(ms)),
        _ => date(at),
    }
}

/// Time since the start of a session: `+1:05`, `+1:02:05`.
pub(super) fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "−" } else { "+" };
    let seconds = ms.unsigned_abs() / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{sign}{minutes}:{seconds:02}")
    } else {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    }
}

/// `23 Nov 2026`
pub(super) fn date(at: i64) -> String {
    let (year, month, day) = civil(at.div_euclid(DAY));
    format!("{day} {} {year}", MONTHS[month - 1])
}

/// `23 Nov`
pub(super) fn day(at: i64) -> String {
    let (_, month, day) = civil(at.div_euclid(DAY));
    format!("{day} {}", MONTHS[month - 1])
}

/// `23 Nov 2026, 22:21:05 UTC`
pub(super) fn date_time(at: i64) -> String {
    format!("{}, {} UTC", date(at), clock(at))
}

/// `2026-11-23T22:21:05.250Z`, for machines.
pub(super) fn iso(at: i64) -> String {
    let (year, month, day) = civil(at.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}T{}.{:03}Z", clock(at), at.rem_euclid(SECOND))
}

fn clock(at: i64) -> String {
    let seconds = at.rem_euclid(DAY) / SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of a day counted from 1970. Years are counted from March, so that a leap day is their last.
fn civil(days: i64) -> (i64, usize, i64) {
    const ERA: i64 = 146_097; // days in 400 years
    let days = days + 719_468; // from 1 March of the year 0
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = days.div_euclid(ERA) * 400 + year_of_era + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor: i64, currency: &str, digits: u8) -> Amount {
        Amount { minor, currency: currency.to_owned(), digits }
    }

    #[test]
    fn money_has_the_digits_of_its_currency() {
        assert_eq!(money(&amount(9900, "USD", 2)), "99.00 USD");
        assert_eq!(money(&amount(123_456_789, "USD", 2)), "1,234,567.89 USD");
        assert_eq!(money(&amount(5000, "JPY", 0)), "5,000 JPY");
        assert_eq!(money(&amount(1005, "KWD", 3)), "1.005 KWD");
        assert_eq!(money(&amount(-5, "USD", 2)), "−0.05 USD");
        assert_eq!(money(&amount(i64::MIN, "X", 200)), "−9.223372036854775808 X");
    }

    #[test]
    fn shares_are_rounded_and_never_hide_the_first_conversion() {
        assert_eq!(share(1, 40), "2.5 %");
        assert_eq!(share(1, 10), "10.0 %");
        assert_eq!(share(1, 100_000), "< 0.1 %");
        assert_eq!(share(0, 10), "0 %");
        assert_eq!(share(0, 0), NONE);
    }

    #[test]
    fn durations_name_two_units() {
        let seen = [-5, 45, 149, 120, 3900, 3600, 100_000].map(duration);
        assert_eq!(seen, ["0 s", "45 s", "2 min 29 s", "2 min", "1 h 5 min", "1 h", "1 d 3 h"]);
    }

    #[test]
    fn offsets_count_from_the_start() {
        assert_eq!([0, 65_900, 3_725_000, -2000].map(offset), ["+0:00", "+1:05", "+1:02:05", "−0:02"]);
    }

    #[test]
    fn relative_times_become_dates_after_a_month() {
        let now = 1_795_474_865_250;
        assert_eq!(ago(now, now + 5000), "just now");
        assert_eq!(ago(now, now - 5000), "5 s ago");
        assert_eq!(ago(now, now - 12 * MINUTE), "12 min ago");
        assert_eq!(ago(now, now - 29 * DAY), "29 d ago");
        assert_eq!(ago(now, now - 31 * DAY), date(now - 31 * DAY));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_703_001_031_007), "2023-12-19T15:50:31.007Z");
        assert_eq!(date_time(1_703_001_031_007), "19 Dec 2023, 15:50:31 UTC");
        assert_eq!(day(1_709_164_800_000), "29 Feb");
    }

    #[test]
    fn no_time_is_too_strange_to_be_shown() {
        for at in [i64::MIN, i64::MAX] {
            assert!(!date_time(at).is_empty() && !ago(at, 0).is_empty() && !offset(at).is_empty());
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "event", "events"), "1 event");
    }
}
