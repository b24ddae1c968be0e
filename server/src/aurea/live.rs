//! The timeline that follows along: tells an open screen, by server-sent events, that its session is not as it was.
//!
//! Only the fact is told; the screen then asks for itself again. So there is one way to draw a timeline, and a message that
//! was missed costs nothing: the next one leads to the same picture.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::event::SessionId;
use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::access::Owner;
use crate::domain::event::FunnelId;
use crate::error::ApiError;
use crate::stopping::Stopping;
use crate::store::{Changed, Store};

/// A stream ends after so long; the browser opens the next, and the login is looked at again.
const LONGEST: Duration = Duration::from_hours(1);

/// `GET /aurea/funnels/{funnel}/sessions/{sessionId}/live`
pub async fn live(
    _: Owner,
    State(store): State<Arc<dyn Store>>,
    State(stopping): State<Stopping>,
    Path((funnel, session_id)): Path<(String, String)>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let (Ok(funnel), Ok(session_id)) = (FunnelId::parse(funnel), SessionId::parse(session_id)) else {
        return Err(ApiError::not_found("there is no such session"));
    };
    let watch = Watch {
        changes: store.changes(),
        session: (funnel, session_id),
        until: Instant::now() + LONGEST,
        stopping,
    };
    let stream = unfold(watch, |mut watch| async move { watch.next().await.then(|| (Ok(changed()), watch)) });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Browsers pass over an event without data.
fn changed() -> Event {
    Event::default().event("changed").data("changed")
}

struct Watch {
    changes: Receiver<Changed>,
    session: Changed,
    until: Instant,
    stopping: Stopping,
}

impl Watch {
    /// Waits for something to tell; false at the end.
    async fn next(&mut self) -> bool {
        loop {
            let changed = tokio::select! {
                changed = timeout_at(self.until, self.changes.recv()) => changed,
                () = self.stopping.wait() => return false,
            };
            match changed {
                Ok(Ok(session)) if session == self.session => return true,
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(_))) => return true, // it may have been among those that were missed
                Ok(Err(RecvError::Closed)) | Err(_) => return false,
            }
        }
    }
}
