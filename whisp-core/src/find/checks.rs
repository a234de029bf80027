//! Check digits.

/// Weighs digits and sums them up.
fn weighed(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// Returns whether the last digit is the check digit of ISO/IEC 7812-1 (Luhn).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match u32::from(*digit) {
            digit if place % 2 == 0 => digit,
            digit if digit > 4 => digit * 2 - 9,
            digit => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Returns whether twelve digits are an IIN or a BIN as they were formed by the rules of Kazakhstan (Government resolution 406
/// of 22 May 2007, under law 223 of 12 January 2007), with a date in front. Since resolution 853 of 26 August 2013 the digits
/// of a person need not be their date of birth: a number without one is found as one of which it is not known what it is, and
/// masked all the same. The last digit checks the first eleven, weighed 1 to
/// 11; where the remainder by 11 is 10, weighed 3 to 11, 1, 2; where it is 10 again, the number is not given out.
pub(super) fn kazakh_id(digits: &[u8]) -> bool {
    let (&[_, _, m1, m2, d1, d2, seventh, ..], [body @ .., last]) = (digits, digits) else { return false };
    if digits.len() != 12 {
        return false;
    }
    let month = m1 * 10 + m2;
    let person = (1..=6).contains(&seventh) && (1..=31).contains(&(d1 * 10 + d2));
    // A business: year and month of its registration, then what kind it is, 4 to 6, and what of it, 0 to 4.
    let business = (4..=6).contains(&d1) && d2 <= 4;
    if !(1..=12).contains(&month) || !(person || business) {
        return false;
    }
    let mut check = weighed(body, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    if check == 10 {
        check = weighed(body, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    }
    check == u32::from(*last)
}

/// Returns whether ten or twelve digits are a taxpayer's number of Russia (order MMV-7-6/435@ of the Federal Tax Service,
/// 29 June 2012): the check digits are weighed sums, by 11, then by 10.
pub(super) fn russian_tax_id(digits: &[u8]) -> bool {
    let check = |weights: &[u32]| {
        let sum = weighed(digits, weights);
        digits.get(weights.len()).is_some_and(|digit| sum % 11 % 10 == u32::from(*digit))
    };
    let all_zero = digits.iter().all(|digit| *digit == 0);
    match digits.len() {
        _ if all_zero => false,
        10 => check(&[2, 4, 10, 3, 5, 9, 4, 6, 8]),
        12 => check(&[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) && check(&[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]),
        _ => false,
    }
}

/// Returns whether eleven digits are an insurance number of Russia (Pension Fund, resolution 192p of 31 July 2006): the first
/// nine, weighed 9 to 1, by 101; 100 counts as 0.
pub(super) fn snils(digits: &[u8]) -> bool {
    let [body @ .., tens, ones] = digits else { return false };
    body.len() == 9
        && body.iter().any(|digit| *digit != 0)
        && weighed(body, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == u32::from(*tens) * 10 + u32::from(*ones)
}

/// Returns whether an account number in capitals and digits has the check digits of ISO 13616 (remainder 1 by 97).
pub(super) fn iban(characters: &[u8]) -> bool {
    let (Some(head), Some(rest)) = (characters.get(..4), characters.get(4..)) else { return false };
    let mut remainder: u32 = 0;
    for c in rest.iter().chain(head) {
        remainder = match c {
            b'0'..=b'9' => remainder * 10 + u32::from(c - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(c - b'A') + 10,
            _ => return false,
        } % 97;
    }
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|b| b - b'0').collect()
    }

    /// The check digit of an IIN by the rule as it is written, to hold the function against.
    fn kazakh_check(body: &[u8]) -> Option<u8> {
        let by = |first: usize| {
            let weight = |place: usize| (place + first) % 11 + 1;
            body.iter().enumerate().map(|(place, digit)| usize::from(*digit) * weight(place)).sum::<usize>() % 11
        };
        let check = Some(by(0)).filter(|check| *check < 10).unwrap_or_else(|| by(2));
        u8::try_from(check).ok().filter(|check| *check < 10)
    }

    #[test]
    fn one_check_digit_of_an_iin_is_right_and_nine_are_wrong_in_both_passes() {
        let (mut second_pass, mut none) = (0, 0);
        for serial in 0..10_000_u32 {
            let body = digits(&format!("900512{}{serial:04}", 3));
            let right = kazakh_check(&body);
            let first = weighed(&body, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
            second_pass += u32::from(first == 10);
            none += u32::from(right.is_none());
            for last in 0..10 {
                let number: Vec<u8> = body.iter().copied().chain([last]).collect();
                assert_eq!(kazakh_id(&number), Some(last) == right, "{number:?}");
            }
        }
        assert!(second_pass > 500 && none > 20, "{second_pass} {none}: both passes are tried");
    }

    #[test]
    fn known_numbers_pass_and_each_changed_digit_fails() {
        type Check = fn(&[u8]) -> bool;
        let passes: [(&str, Check); 5] = [
            ("4111111111111111", luhn),
            ("5555555555554444", luhn),
            ("500100732259", russian_tax_id),
            ("7707083893", russian_tax_id),
            ("11223344595", snils),
        ];
        for (number, check) in passes {
            let number = digits(number);
            assert!(check(&number), "{number:?}");
            for place in 0..number.len() {
                let mut changed = number.clone();
                changed[place] = (changed[place] + 1) % 10;
                assert!(!check(&changed), "{changed:?}");
            }
        }
        assert!(iban(b"KZ86125KZT5004100100") && iban(b"DE89370400440532013000"));
        assert!(!iban(b"KZ86125KZT5004100101") && !iban(b"KZ8") && !iban(b"KZ86-"));
        for check in [luhn, kazakh_id, russian_tax_id, snils] {
            for length in 0..20 {
                assert!(!check(&vec![0; length]), "nothing but zeros is no number");
            }
        }
    }
}
