//! Work that must go on: a panic ends one round of it and not the work.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

/// Between a panic and the next round.
const PAUSE: Duration = Duration::from_secs(1);

/// Does one round of the work. True if it broke, so that the next round is due: `while broke("…", work()).await {}`.
pub async fn broke(what: &str, round: impl Future<Output = ()>) -> bool {
    let broke = AssertUnwindSafe(round).catch_unwind().await.is_err();
    if broke {
        tracing::error!(what, "broke by a fault of this program; it begins anew");
        tokio::time::sleep(PAUSE).await;
    }
    broke
}
