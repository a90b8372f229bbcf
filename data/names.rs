//! Names of exchanges, tokens and pools, as token makers write them: with emoji, and in any script.

use super::draw::Draw;

/// Exchanges.
pub(super) const DEXES: [&str; 12] = [
    "heaven",
    "pumpswap",
    "raydium",
    "raydium-clmm",
    "orca",
    "meteora",
    "meteora-damm-v2",
    "pump-fun",
    "launchlab",
    "lifinity",
    "phoenix",
    "fluxbeam",
];

/// The name of a token, and its symbol of at most 20 characters.
pub(super) fn token(draw: &mut Draw) -> (String, String) {
    let (first, second, emoji) = (draw.pick(&FIRST), draw.pick(&SECOND), draw.pick(&EMOJI));
    let mut name = String::with_capacity(48);
    let mut symbol = String::with_capacity(20);
    match draw.below(10) {
        0 => push_all(&mut name, &[emoji, first, " ", second]),
        1 => push_all(&mut name, &[first, " ", second, " ", emoji]),
        2 => push_all(&mut name, &[draw.pick(&FOREIGN)]),
        _ => push_all(&mut name, &[first, " ", second]),
    }
    symbol.extend(second.chars().take(12).map(|c| c.to_ascii_uppercase()));
    if draw.chance(60) {
        symbol.push_str(emoji);
    }
    (name, symbol)
}

fn push_all(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

const FIRST: [&str; 16] = [
    "Baby", "Official", "Degen", "Quantum", "Moon", "Based", "Tiny", "Giga", "Solana", "Crypto",
    "Little", "Mr.", "The", "Just a", "Super", "Not",
];
const SECOND: [&str; 24] = [
    "Pepe",
    "Doge",
    "Cat",
    "Frog",
    "Rocket",
    "Hamster",
    "Wizard",
    "Bonk",
    "Fartcoin",
    "Tiger",
    "Goblin",
    "Whale",
    "O'Clock",
    "Banana",
    "Penguin",
    "Shark",
    "Dragon",
    "Coin",
    "AI",
    "Capybara",
    "Yield & Co",
    "\"Gold\"",
    "100%",
    "Inu",
];
const EMOJI: [&str; 10] = ["🚀", "🐸", "🔥", "💎", "🐶", "🦄", "🌕", "👨‍🚀", "🇺🇸", "❤️"];
const FOREIGN: [&str; 6] = ["Луна", "Собака 🐕", "柴犬", "달", "ポンプ", "Café Süß"];

#[cfg(test)]
mod tests {
    use super::token;
    use crate::sample::draw::Draw;

    #[test]
    fn symbols_fit_their_column_and_some_names_have_emoji() {
        let tokens: Vec<_> = (0..1000).map(|number| token(&mut Draw::new(1, 2, number))).collect();
        assert!(
            tokens.iter().all(
                |(name, symbol)| !name.is_empty() && (1..=20).contains(&symbol.chars().count())
            )
        );
        let emoji = tokens.iter().filter(|(name, _)| name.chars().any(|c| c > '\u{ffff}')).count();
        assert!((100..400).contains(&emoji), "{emoji}");
    }
}
