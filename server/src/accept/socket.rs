//! A connection's bytes, each awaited for a while only.
//!
//! HTTP is read and written by hyper; it knows no deadline for an idle connection apart from that for a head, and none for
//! a client that does not read. So the socket keeps them: whatever is late is an error, and hyper gives the connection up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::Settings;
use super::head::Head;
use super::places::Place;

/// Where a connection stands, which says how long it may be silent.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum At {
    /// The connection is new, and silent so far.
    New,
    /// A request's head is being sent.
    Head,
    /// A request is under way; who answers it has the deadlines.
    Answering,
    /// The last request is answered, the next one may come.
    Idle,
}

/// Tells the socket what those who answer know.
pub(super) struct Stage {
    at: AtomicU8,
    /// Requests so far: which of them is meant.
    requests: AtomicU64,
    unread: AtomicBool,
    ambiguous: AtomicBool,
    /// The connection, which would else sleep until its client says something.
    waiting: AtomicWaker,
}

impl Stage {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            at: AtomicU8::new(At::New as u8),
            requests: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            ambiguous: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
        })
    }

    fn set(&self, at: At) {
        self.at.store(at as u8, Ordering::Release);
    }

    /// A request is under way: its number.
    pub(super) fn begin(&self) -> u64 {
        self.set(At::Answering);
        self.requests.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// This request has been read and its answer written: the socket starts to wait for the next one, though nothing has
    /// come in. Unless that one has overtaken the news.
    pub(super) fn end(&self, request: u64) {
        if self.requests.load(Ordering::Acquire) == request {
            self.set(At::Idle);
            self.waiting.wake();
        }
    }

    fn get(&self) -> At {
        match self.at.load(Ordering::Acquire) {
            0 => At::New,
            1 => At::Head,
            2 => At::Answering,
            _ => At::Idle,
        }
    }

    /// Whether what a client still sends will be read by nobody.
    pub(super) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Release);
    }

    /// Whether the head of the request under way can be read in two ways.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous.load(Ordering::Acquire)
    }

    /// Closed while its client still sends, the kernel would answer with a reset, and the client lose our answer.
    fn lingers(&self) -> bool {
        self.unread.load(Ordering::Acquire) || self.get() == At::Head
    }
}

/// A connection that is never awaited for ever. It holds its place.
pub(super) struct Socket {
    stream: TcpStream,
    stage: Arc<Stage>,
    settings: Settings,
    place: Place,
    head: Head,
    reading: Deadline,
    /// For what `reading` is set.
    awaited: Option<At>,
    writing: Deadline,
    shut: bool,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, stage: Arc<Stage>, settings: Settings, place: Place) -> Self {
        let (reading, writing) = (Deadline::default(), Deadline::default());
        let head = Head::default();
        Self { stream, stage, settings, place, head, reading, awaited: None, writing, shut: false }
    }

    fn wait(&mut self, at: At) {
        self.awaited = Some(at);
        match at {
            At::New | At::Head => self.reading.set(self.settings.head),
            At::Answering => self.reading.clear(),
            At::Idle if self.place.crowded() => self.reading.set(self.settings.idle_when_crowded),
            At::Idle => self.reading.set(self.settings.idle),
        }
    }

    /// What comes in between two requests is the head of the next one.
    fn received(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && matches!(self.stage.get(), At::New | At::Idle) {
            self.stage.set(At::Head);
            self.wait(At::Head); // from its first byte, however slowly the others come
            self.head = Head::default();
        }
        if self.stage.get() == At::Head && self.head.is_ambiguous_with(bytes) {
            self.stage.ambiguous.store(true, Ordering::Release);
        }
    }

    /// Not a byte taken by then: the client does not read.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.writing.clear();
            return result;
        }
        if !self.writing.is_set() {
            self.writing.set(self.settings.write);
        }
        if self.writing.passed(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            self.received(&buf.filled()[before..]);
            return Poll::Ready(result);
        }
        self.stage.waiting.register(cx.waker());
        let at = self.stage.get();
        if self.awaited != Some(at) {
            self.wait(at);
        }
        if self.reading.passed(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx) // nothing to wait for: the kernel has it all
    }

    /// Says that nothing more comes. Then lets a client that still sends say what it has, so that it reads our answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
            let linger = self.settings.linger;
            self.reading.set(linger);
        }
        if !self.stage.lingers() {
            return Poll::Ready(Ok(()));
        }
        let mut discarded = [0; 8 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if self.reading.passed(cx) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A timer that is made when it is needed first, and used again.
#[derive(Default)]
struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl Deadline {
    fn set(&mut self, after: Duration) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(Instant::now() + after),
            None => self.sleep = Some(Box::pin(sleep(after))),
        }
        self.set = true;
    }

    fn clear(&mut self) {
        self.set = false;
    }

    fn is_set(&self) -> bool {
        self.set
    }

    /// Whether it is over; wakes the task when it will be.
    fn passed(&mut self, cx: &mut Context<'_>) -> bool {
        self.set && self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}
