//! The way to the remote Aurea, played as a process of its own: does with each connection what its lot says.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::helper;
use crate::script::{Direction, Lot, lot};

/// Bytes that drip at a time, and how long the next ones take.
const DROP: (usize, Duration) = (100, Duration::from_millis(5));

/// Bytes that are carried at a time otherwise.
const PIECE: usize = 8192;

/// How long a connection that swallows everything is held, longer than anybody waits.
const HELD: Duration = Duration::from_mins(1);

/// Runs until the driver says so.
pub(crate) async fn run(seed: u64, to: SocketAddr) -> io::Result<()> {
    let calm = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    helper::is_at(listener.local_addr()?);
    tokio::select! {
        never = accept(listener, seed, to, &calm) => match never? {},
        () = helper::until_told_to_end(&calm) => Ok(()),
    }
}

async fn accept(
    listener: TcpListener,
    seed: u64,
    to: SocketAddr,
    calm: &AtomicBool,
) -> io::Result<Infallible> {
    for nth in 0.. {
        let (here, _) = listener.accept().await?;
        let lot = if calm.load(Ordering::Relaxed) { Lot::Through } else { lot(seed, nth) };
        tokio::spawn(async move {
            let there = TcpStream::connect(to).await?;
            carry(here, there, lot).await
        });
    }
    unreachable!("connections without end")
}

/// Why a connection ends before both sides have said what they had to say.
enum Broken {
    Reset,
    Swallowed,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Reset // one end is gone already
    }
}

async fn carry(mut here: TcpStream, mut there: TcpStream, lot: Lot) -> io::Result<()> {
    let carried = {
        let ((asks, answers), (answered, asked)) = (here.split(), there.split());
        tokio::try_join!(
            pump(asks, asked, lot, Direction::There),
            pump(answered, answers, lot, Direction::Back)
        )
    };
    match carried {
        Ok(_) => {}
        Err(Broken::Reset) => {
            here.set_zero_linger()?;
            there.set_zero_linger()?;
        }
        Err(Broken::Swallowed) => tokio::time::sleep(HELD).await,
    }
    Ok(())
}

/// One direction of a connection.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    lot: Lot,
    direction: Direction,
) -> Result<(), Broken> {
    let mut left = match lot {
        Lot::Reset(of, bytes) | Lot::HalfClose(of, bytes) | Lot::Swallow(of, bytes) if of == direction => {
            bytes
        }
        _ => usize::MAX,
    };
    let (size, wait) = match lot {
        Lot::Drip => DROP,
        Lot::Delay(wait) => (PIECE, wait),
        _ => (PIECE, Duration::ZERO),
    };
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece[..size]).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let passes = read.min(left);
        to.write_all(&piece[..passes]).await?;
        left -= passes;
        if left == 0 {
            return match lot {
                Lot::Reset(..) => Err(Broken::Reset),
                Lot::Swallow(..) => Err(Broken::Swallowed),
                _ => Ok(to.shutdown().await?), // a half-close
            };
        }
    }
}
