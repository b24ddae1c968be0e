//! A request's head as it comes in: whether others could read it as another request than we do.
//!
//! hyper reads generously, as it may: a line can end without its carriage return, and chunks outweigh a length beside them.
//! A proxy before us may decide otherwise, and what it takes for a body be the next request here (request smuggling).

/// The longest of the names that matter, `transfer-encoding`.
const LONGEST_NAME: usize = 17;

/// Looks at the bytes of one head.
#[derive(Default)]
pub(super) struct Head {
    /// The line so far up to its colon.
    name: Vec<u8>,
    /// The line's name has been read, or is none that matters.
    named: bool,
    /// The line's bytes before its end.
    length: usize,
    last: u8,
    /// The request line is there: an empty line ends the head.
    begun: bool,
    over: bool,
    content_lengths: usize,
    transfer_encodings: usize,
}

impl Head {
    /// Reads on. True if the head so far can be read in two ways.
    pub(super) fn is_ambiguous_with(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.over {
                break;
            }
            let without_return = *byte == b'\n' && self.last != b'\r';
            if without_return {
                return true;
            }
            self.read(*byte);
            self.last = *byte;
        }
        self.content_lengths + self.transfer_encodings > 1
    }

    fn read(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.over = self.begun && self.length == 0;
                self.begun |= self.length > 0;
                (self.length, self.named) = (0, false);
                self.name.clear();
                return;
            }
            b'\r' => return,
            b':' if !self.named => {
                self.named = true;
                self.content_lengths += usize::from(self.name.eq_ignore_ascii_case(b"content-length"));
                self.transfer_encodings += usize::from(self.name.eq_ignore_ascii_case(b"transfer-encoding"));
            }
            _ if self.name.len() < LONGEST_NAME => self.name.push(byte),
            _ => self.named = true,
        }
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ambiguous(head: &str) -> bool {
        let at_once = Head::default().is_ambiguous_with(head.as_bytes());
        let mut head_in_pieces = Head::default();
        let in_pieces = head.bytes().any(|byte| head_in_pieces.is_ambiguous_with(&[byte]));
        assert_eq!(at_once, in_pieces, "{head:?}");
        at_once
    }

    #[test]
    fn a_head_that_everybody_reads_alike_is_fine() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na\nb\nContent-Length: 1\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nContent-Length: 5\r\n",
            "POST / HTTP/1.1\r\nX-Content-Length: 4\r\nContent-Length: 4\r\nContent-Lengths: 4\r\nX: content-length: 4\r\n\r\n",
        ] {
            assert!(!is_ambiguous(head), "{head:?}");
        }
    }

    #[test]
    fn a_head_that_two_programs_may_read_as_two_requests_is_not() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
        ] {
            assert!(is_ambiguous(head), "{head:?}");
        }
    }
}
