//! Internet addresses and networks: text to PostgreSQL's binary form of `inet` and `cidr`, and back.
//!
//! The form is `family, bits, is_cidr, length` (a byte each) and the address. What is read here is what the server
//! reads, but for what nobody writes: in IPv6 a colon before `/bits` and octets that lack some of the four, in IPv4 a
//! count of bits that overflows. Abbreviated networks without bits (`cidr` of `192.168`) are not read either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// An address and how many of its bits are the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inet {
    address: IpAddr,
    bits: u8,
}

/// Reads an `inet`; with it, whether the server shows the very text again.
pub fn parse(text: &str) -> Option<(Vec<u8>, bool)> {
    let inet = Inet::read(text)?;
    Some((inet.body(false), inet.show(false) == text))
}

/// Reads a `cidr`, none of whose bits behind the network's are set; with it, whether the server shows the very text
/// again.
pub fn parse_cidr(text: &str) -> Option<(Vec<u8>, bool)> {
    // A point behind the last octet is overlooked in an `inet` only.
    if text.ends_with('.') || text.contains("./") {
        return None;
    }
    let inet = Inet::read(text).filter(|inet| inet.is_network())?;
    Some((inet.body(true), inet.show(true) == text))
}

/// The text by which the server shows a binary `inet` or `cidr`; none for bytes that are neither.
pub fn show(body: &[u8]) -> Option<String> {
    let (&[family, bits, is_cidr, length], address) = body.split_first_chunk()?;
    let address = match (family, length) {
        (FAMILY_V4, 4) => IpAddr::from(*address.as_array::<4>()?),
        (FAMILY_V6, 16) => IpAddr::from(*address.as_array::<16>()?),
        _ => return None,
    };
    let inet = Inet { address, bits };
    let legal = bits <= inet.bits_max() && (is_cidr == 0 || (is_cidr == 1 && inet.is_network()));
    legal.then(|| inet.show(is_cidr == 1))
}

/// Whether these bytes are an `inet`, or a `cidr`, in the one form that the server gives back.
pub fn is_body(body: &[u8], is_cidr: bool) -> bool {
    body.get(2) == Some(&u8::from(is_cidr)) && show(body).is_some()
}

impl Inet {
    fn read(text: &str) -> Option<Self> {
        if text.contains(':') { read_v6(text) } else { read_v4(text) }
    }

    fn bits_max(self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn is_network(self) -> bool {
        let host_bits = u32::from(self.bits_max() - self.bits);
        match self.address {
            IpAddr::V4(address) => address.to_bits().trailing_zeros() >= host_bits,
            IpAddr::V6(address) => address.to_bits().trailing_zeros() >= host_bits,
        }
    }

    fn body(self, is_cidr: bool) -> Vec<u8> {
        let is_cidr = u8::from(is_cidr);
        match self.address {
            IpAddr::V4(address) => {
                [&[FAMILY_V4, self.bits, is_cidr, 4][..], &address.octets()].concat()
            }
            IpAddr::V6(address) => {
                [&[FAMILY_V6, self.bits, is_cidr, 16][..], &address.octets()].concat()
            }
        }
    }

    /// An address alone is shown without its bits, a network never is.
    fn show(self, is_cidr: bool) -> String {
        let mut shown = match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => show_v6(address),
        };
        if is_cidr || self.bits < self.bits_max() {
            shown.push_str(&format!("/{}", self.bits));
        }
        shown
    }
}

/// Reads as the server does: decimal octets with any number of zeros before, fewer than four where bits stand behind
/// them that need no more, and a point behind the last one.
fn read_v4(text: &str) -> Option<Inet> {
    let (mantissa, bits) = match text.split_once('/') {
        Some((mantissa, bits)) => (mantissa, Some(number(bits).filter(|&bits| bits <= 32)?)),
        None => (text, None),
    };
    let mut octets = [0; 4];
    let mut slots = octets.iter_mut();
    let mut count = 0;
    for octet in mantissa.strip_suffix('.').unwrap_or(mantissa).split('.') {
        *slots.next()? = number(octet)?;
        count += 1;
    }
    let bits = match bits {
        Some(bits) => (bits / 8 <= count).then_some(bits)?,
        None => (count == 4).then_some(32)?,
    };
    Some(Inet { address: Ipv4Addr::from(octets).into(), bits })
}

fn read_v6(text: &str) -> Option<Inet> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => {
            let bits = number(bits)
                .filter(|&number| number <= 128 && (bits == "0" || !bits.starts_with('0')));
            (address, bits?)
        }
        None => (text, 128),
    };
    Some(Inet { address: address.parse::<Ipv6Addr>().ok()?.into(), bits })
}

/// Reads digits and nothing else.
fn number(digits: &str) -> Option<u8> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

/// As the server shows it: the first of the longest runs of two or more zero words is `::`, and an IPv4 address in the
/// last two words of an otherwise empty or mapped one has its points.
fn show_v6(address: Ipv6Addr) -> String {
    let words = address.segments();
    let (start, end) = longest_zeros(words);
    let has_points = start == 0 && (end == 6 || (end == 5 && words.get(5) == Some(&0xffff)));
    let mut shown = String::new();
    for (at, word) in words.into_iter().enumerate() {
        if (start..end).contains(&at) {
            if at == start {
                shown.push(':');
            }
            continue;
        }
        if at > 0 {
            shown.push(':');
        }
        if at == 6 && has_points {
            let [.., a, b, c, d] = address.octets();
            shown.push_str(&Ipv4Addr::new(a, b, c, d).to_string());
            return shown;
        }
        shown.push_str(&format!("{word:x}"));
    }
    if start < end && end == words.len() {
        shown.push(':');
    }
    shown
}

/// The first of the longest runs of at least two zero words; an empty one behind the end where there is none.
fn longest_zeros(words: [u16; 8]) -> (usize, usize) {
    let (mut best, mut start) = ((8, 8), 0);
    for (at, word) in words.into_iter().chain([1]).enumerate() {
        if word != 0 {
            if at - start >= 2 && at - start > best.1 - best.0 {
                best = (start, at);
            }
            start = at + 1;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{is_body, parse, parse_cidr, show};

    #[test]
    fn an_address_is_read_with_its_bits_and_shown_as_the_server_shows_it() {
        for (text, shown) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4/32", "1.2.3.4"),
            ("1.2.3.4/8", "1.2.3.4/8"),
            ("01.002.3.4/08", "1.2.3.4/8"),
            ("10/8", "10.0.0.0/8"),
            ("10.1/15", "10.1.0.0/15"),
            ("1.2.3.4.", "1.2.3.4"),
            ("::", "::"),
            ("::/0", "::/0"),
            ("ABCD::1/128", "abcd::1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::ffff:1.2.3.4/96", "::ffff:1.2.3.4/96"),
            ("::0102:0304", "::1.2.3.4"),
            ("::0.0.0.5", "::5"),
            ("0:0:1::", "0:0:1::"),
        ] {
            let (body, exact) = parse(text).unwrap();
            assert_eq!(show(&body).as_deref(), Some(shown), "{text}");
            assert_eq!(exact, shown == text, "{text}");
            assert!(is_body(&body, false) && !is_body(&body, true));
        }
    }

    #[test]
    fn what_the_server_does_not_read_is_no_address() {
        for text in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.4/33",
            "10/16",
            "1.2.3.4/",
            "/8",
            "./8",
            "1..2.3",
            " 1.2.3.4",
            "1.2.3.4 ",
            "+1.2.3.4",
            "1.2.3.4/-1",
            "1.2.3.4/8/8",
            "localhost",
            "::1/129",
            "::1/064",
            "::1/",
            ":1",
            "1:",
            "1:2:3:4:5:6:7:8::",
            "::01.2.3.4",
            "fe80::1%eth0",
            "12345::",
            "١.2.3.4",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_has_no_bits_behind_its_own() {
        assert_eq!(parse_cidr("10.0.0.0/8"), Some((vec![2, 8, 1, 4, 10, 0, 0, 0], true)));
        assert_eq!(parse_cidr("1.2.3.4"), Some((vec![2, 32, 1, 4, 1, 2, 3, 4], false)));
        assert!(parse_cidr("::/0").unwrap().1);
        for text in
            ["10.0.0.1/8", "1.2.3.5/31", "0.0.0.1/0", "::1/127", "192.168", "1.2.3.4.", "10./8"]
        {
            assert_eq!(parse_cidr(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_that_the_server_would_change_or_refuse_are_no_body() {
        for body in [
            &[][..],
            &[2, 32, 0, 4, 1, 2, 3],
            &[2, 33, 0, 4, 1, 2, 3, 4],
            &[3, 32, 0, 4, 1, 2, 3, 4],
            &[2, 32, 2, 4, 1, 2, 3, 4],
            &[2, 8, 1, 4, 1, 2, 3, 4],
        ] {
            assert_eq!(show(body), None, "{body:?}");
            assert!(!is_body(body, false) && !is_body(body, true));
        }
    }
}
