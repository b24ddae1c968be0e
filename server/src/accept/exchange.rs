//! One request and its answer: the body's deadline and its share of the memory, what becomes of a body that nobody wanted,
//! and who is not answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::ServiceExt;

use super::Settings;
use super::budget::Share;
use super::socket::Stage;
use crate::error::ApiError;

/// So much of a refused body is read in any case; beyond it as much again as its handler read. A sender whose body is up to
/// twice the limit keeps its connection.
const READ_AT_LEAST: u64 = 64 * 1024;

/// Answers by the router. A body that is not there in time is answered 408, one that there is no memory for 503. What was
/// read of it keeps its share until it is answered.
pub(super) async fn answer(
    router: Router,
    peer: SocketAddr,
    settings: Settings,
    share: Arc<Share>,
    under_way: UnderWay,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    if under_way.stage().is_ambiguous() {
        under_way.stage().set_unread(true);
        return Ok(Answer::new(
            last(StatusCode::BAD_REQUEST, "this request can be read in two ways"),
            under_way,
        ));
    }
    let (mut parts, incoming) = request.into_parts();
    parts.extensions.insert(ConnectInfo(peer));
    let asks_first = parts.headers.contains_key(header::EXPECT);
    let (body, mut left) = Sent::new(incoming, Arc::clone(&share));
    let mut handling = Box::pin(router.oneshot(Request::from_parts(parts, Body::new(body))));
    let mut told = None;
    let response = tokio::select! {
        biased;
        response = &mut handling => response,
        read = timeout(settings.body, &mut left) => if let Ok(left) = read {
            told = left.ok();
            handling.as_mut().await
        } else {
            under_way.stage().set_unread(true);
            let late = last(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
            return Ok(Answer::new(late, under_way));
        },
    };
    drop(handling);
    let Ok(response) = response;
    match told.or_else(|| left.try_recv().ok()) {
        Some(Left::Unread(rest)) if !asks_first || rest.read > 0 => {
            tokio::spawn(rest.discard(settings, under_way.clone()));
        }
        Some(Left::TooMuch) => {
            under_way.stage().set_unread(true);
            return Ok(Answer::new(last(StatusCode::SERVICE_UNAVAILABLE, busy()), under_way));
        }
        _ => {}
    }
    Ok(Answer::new(response, under_way))
}

/// The request can't be read on from here: what follows would be taken for the next one.
fn last(status: StatusCode, why: impl IntoResponse) -> axum::response::Response {
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    (status, close, why).into_response()
}

fn busy() -> ApiError {
    let message = "too many large bodies are under way; try again in a moment";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
}

/// A request's body as its handler reads it. What the handler leaves is handed back.
struct Sent {
    rest: Option<(Rest, oneshot::Sender<Left>)>,
    share: Arc<Share>,
}

/// Why a body is not read to its end.
enum Left {
    /// Its handler wanted no more.
    Unread(Rest),
    /// There was no memory for more of it.
    TooMuch,
}

/// What is left of a body.
struct Rest {
    body: Incoming,
    /// Bytes that the handler has read.
    read: u64,
}

impl Sent {
    /// The body, and the word when it is read to its end (an error) or left.
    fn new(body: Incoming, share: Arc<Share>) -> (Self, oneshot::Receiver<Left>) {
        let (back, left) = oneshot::channel();
        let rest = (!body.is_end_stream()).then_some((Rest { body, read: 0 }, back));
        (Self { rest, share }, left)
    }

    /// Says that there is no memory for more. The handler sees a body that broke off.
    fn too_much(&mut self) -> axum::Error {
        if let Some((_, back)) = self.rest.take() {
            let _ = back.send(Left::TooMuch); // nobody takes it when the connection is gone
        }
        axum::Error::new(busy().message)
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some((rest, _)) = &mut self.rest else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(&mut rest.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => {
                self.rest = None;
                return Poll::Ready(end.map(|error| error.map_err(axum::Error::new)));
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        rest.read += length as u64;
        if !self.share.take(length) {
            return Poll::Ready(Some(Err(self.too_much())));
        }
        // As it is, one byte would keep the whole buffer that it was read into.
        Poll::Ready(Some(Ok(frame.map_data(|data| Bytes::copy_from_slice(&data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|(rest, _)| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or(SizeHint::with_exact(0), |(rest, _)| rest.body.size_hint())
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some((rest, back)) = self.rest.take()
            && !rest.body.is_end_stream()
        {
            let _ = back.send(Left::Unread(rest)); // nobody takes it when the connection is gone
        }
    }
}

impl Rest {
    /// Reads it to its end, so that the connection stays usable; gives up when it is too much or takes too long.
    async fn discard(mut self, settings: Settings, under_way: UnderWay) {
        under_way.stage().set_unread(true); // until it is read after all
        let mut allowed = self.read.max(READ_AT_LEAST);
        let body = &mut self.body;
        let to_the_end = async {
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
                let Ok(frame) = frame else { return true }; // the connection is gone
                let Some(left) = allowed.checked_sub(frame.data_ref().map_or(0, |data| data.len() as u64))
                else {
                    return false;
                };
                allowed = left;
            }
            true
        };
        if timeout(settings.linger, to_the_end).await == Ok(true) {
            under_way.stage().set_unread(false);
        }
    }
}

/// An answer's body; the request is under way until it is written.
pub(super) struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl Answer {
    fn new(response: Response<Body>, under_way: UnderWay) -> Response<Self> {
        response.map(|body| Self { body, _under_way: under_way })
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// From a request's head to the end of its body and of its answer: until the last of these is dropped.
#[derive(Clone)]
pub(super) struct UnderWay(Arc<Numbered>);

struct Numbered {
    stage: Arc<Stage>,
    number: u64,
}

impl UnderWay {
    pub(super) fn begin(stage: &Arc<Stage>) -> Self {
        Self(Arc::new(Numbered { number: stage.begin(), stage: Arc::clone(stage) }))
    }

    fn stage(&self) -> &Stage {
        &self.0.stage
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.stage.end(self.number);
    }
}
