//! Dates and times in the one form that PostgreSQL writes too, and in no other.

use jiff::civil;

/// A day written as `2025-01-31`, and as nothing else.
pub(super) fn date(text: &str) -> Option<civil::Date> {
    let date = shaped(text, "0000-00-00")?.parse::<civil::Date>().ok();
    // PostgreSQL has no year 0.
    date.filter(|date| date.year() > 0)
}

/// `2025-01-31 12:34:56`, also with T and with up to six digits of a second, as PostgreSQL writes it.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let (day, time) = text.split_once([' ', 'T'])?;
    date(day)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    shaped(whole, "00:00:00")?;
    let counted =
        (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // A 60th second would become the next minute.
    let exists = counted && !whole.ends_with("60") && time.parse::<civil::Time>().is_ok();
    exists.then(|| format!("{day} {time}"))
}

/// The same with `Z` or an offset like `+02:00`.
pub(super) fn instant(text: &str) -> Option<String> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return timestamp(local).map(|time| format!("{time}+00"));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = shaped(offset.strip_prefix(['+', '-'])?, "00:00")?.split_once(':')?;
    if hours.parse::<u8>().ok()? > 14 || minutes.parse::<u8>().ok()? > 59 {
        return None;
    }
    timestamp(local).map(|time| format!("{time}{offset}"))
}

/// The text, if it has a digit wherever `shape` has a 0, and else what `shape` has.
fn shaped<'t>(text: &'t str, shape: &str) -> Option<&'t str> {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        mark => byte == mark,
    };
    (text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn a_date_has_one_form_and_exists() {
        assert!(date("2024-02-29").is_some());
        for text in [
            "2025-02-29",
            "20250131",
            "2025-1-31",
            "+02025-01-31",
            "0000-01-01",
            "2025-01-31T",
            "2025-01-31 ",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }
}
