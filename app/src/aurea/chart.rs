//! Sessions and conversions day by day: a drawing, and the table with the same figures. Each has its own scale and its
//! own field, because conversions are far fewer.

use leptos::prelude::*;

use super::model::Day;
use super::{format, table};

/// Units of the drawing; the stylesheet stretches it.
const STEP: usize = 20;
const BAR: usize = 14;
const HIGH: u64 = 100;
const LOW: u64 = 36;
const BETWEEN: u64 = 12;

/// The drawing of `days`. `name` says of what, for those who don't see it.
pub(super) fn chart(name: &str, days: &[Day]) -> impl IntoView + use<> {
    let most_sessions = days.iter().map(|day| day.figures.sessions).max().unwrap_or(0);
    let most_conversions = days.iter().map(|day| day.figures.conversions).max().unwrap_or(0);
    let top = nice(most_sessions);
    let bars: Vec<_> =
        (days.iter().enumerate()).map(|(at, day)| bar(at * STEP, day, top, most_conversions)).collect();
    let size = format!("0 0 {} {}", days.len().max(1) * STEP, HIGH + BETWEEN + LOW);
    let label =
        format!("{name}: sessions and conversions of each day. The table below has the same figures.");
    let ends = (days.first().zip(days.last())).map(|(first, last)| {
        let middle = &days[days.len() / 2];
        let days = [first, middle, last].map(|day| view! { <span>{format::day(day.at)}</span> }).to_vec();
        view! { <p class="days" aria-hidden="true">{days}</p> }
    });
    view! {
        <p class="legend" aria-hidden="true"><span>"Sessions"</span><span>"Conversions, on their own scale"</span></p>
        <div class="chart">
            <div class="scale" aria-hidden="true"><span>{format::count(top)}</span><span>{format::count(top / 2)}</span></div>
            <svg viewBox=size preserveAspectRatio="none" role="img" aria-label=label>
                {[0, HIGH / 2, HIGH, HIGH + BETWEEN + LOW].map(|y| view! { <line class="rule" x1="0" x2="100%" y1=y y2=y></line> }).to_vec()}
                {bars}
            </svg>
            {ends}
        </div>
    }
}

fn bar(x: usize, day: &Day, top: u64, most_conversions: u64) -> impl IntoView + use<> {
    let high = height(day.figures.sessions, top, HIGH);
    let low = height(day.figures.conversions, most_conversions, LOW);
    let x_bar = x + (STEP - BAR) / 2;
    let says = format!(
        "{}: {}, {}",
        format::date(day.at),
        format::counted(day.figures.sessions, "session", "sessions"),
        format::counted(day.figures.conversions, "conversion", "conversions"),
    );
    view! {
        <g>
            <title>{says}</title>
            <rect class="day" x=x y="0" width=STEP height=HIGH + BETWEEN + LOW></rect>
            <rect class="sessions" x=x_bar y=HIGH - high width=BAR height=high></rect>
            <rect class="conversions" x=x_bar y=HIGH + BETWEEN + LOW - low width=BAR height=low></rect>
        </g>
    }
}

/// What is not nothing can be seen.
fn height(value: u64, most: u64, full: u64) -> u64 {
    if value == 0 || most == 0 {
        return 0;
    }
    let height = u128::from(value) * u128::from(full) / u128::from(most);
    u64::try_from(height).unwrap_or(full).max(2)
}

/// The next round number whose half is a whole one.
fn nice(value: u64) -> u64 {
    let mut unit: u64 = 1;
    while value / 10 >= unit {
        unit = unit.saturating_mul(10);
    }
    let rounds = [2, 4, 5, 6, 8, 10, 20].map(|factor| unit.saturating_mul(factor));
    rounds.into_iter().find(|round| *round >= value && round.is_multiple_of(2)).unwrap_or(value)
}

/// The figures of `days` as a table, newest first.
pub(super) fn figures(caption: &'static str, days: &[Day]) -> impl IntoView + use<> {
    let rows: Vec<_> = (days.iter().rev())
        .map(|day| {
            let figures = &day.figures;
            view! {
                <tr>
                    <th scope="row"><time datetime=format::iso(day.at)>{format::date(day.at)}</time></th>
                    <td class="number">{format::count(figures.sessions)}</td>
                    <td class="number">{format::count(figures.checkouts)}</td>
                    <td class="number">{format::count(figures.conversions)}</td>
                    <td class="number">{table::rate(figures)}</td>
                    <td class="number">{table::earned(&figures.revenue, &figures.net)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <details class="figures">
            <summary>"Figures of each day"</summary>
            <div class="scroll" tabindex="0" role="group" aria-label="Figures of each day">
                <table>
                    <caption class="unseen">{caption}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Day (UTC)"</th>
                            <th scope="col" class="number">"Sessions"</th>
                            <th scope="col" class="number">"Checkouts"</th>
                            <th scope="col" class="number">"Conversions"</th>
                            <th scope="col" class="number">"Rate"</th>
                            <th scope="col" class="number">"Revenue"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number() {
        assert_eq!([0, 1, 2, 3, 7, 11, 41, 601, 99_999].map(nice), [2, 2, 2, 4, 8, 20, 50, 800, 100_000]);
        assert_eq!(nice(u64::MAX), u64::MAX);
    }

    #[test]
    fn small_values_can_be_seen_and_big_ones_fit() {
        assert_eq!(
            [(0, 10), (1, 1_000_000), (10, 10), (0, 0)].map(|(v, most)| height(v, most, 100)),
            [0, 2, 100, 0]
        );
        assert_eq!(height(u64::MAX, u64::MAX, 100), 100);
    }
}
