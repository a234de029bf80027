use super::*;

#[test]
fn the_base_url_is_https_or_this_machine_on_purpose() {
    let check = |url: &str, danger: bool| {
        let mut config = OpenAiConfig::new(url, "m");
        config.danger_allow_http_loopback = danger;
        endpoint(&config).map(|url| url.to_string())
    };
    assert_eq!(check("https://api.openai.com/v1/", false).unwrap(), "https://api.openai.com/v1/chat/completions");
    assert_eq!(check("http://127.0.0.1:8080/v1", true).unwrap(), "http://127.0.0.1:8080/v1/chat/completions");
    assert!(check("http://[::1]:8080", true).is_ok());
    for (url, danger) in [
        ("http://127.0.0.1:8080/v1", false),
        ("http://api.openai.com/v1", true),
        ("http://localhost.evil.example", true),
        ("ftp://localhost", true),
    ] {
        assert_eq!(check(url, danger), Err(OpenAiConfigError::NotHttps), "{url}");
    }
    for url in ["", "api.openai.com", "https://me:secret@api.openai.com", "https://api.openai.com/v1?key=secret"] {
        assert_eq!(check(url, false), Err(OpenAiConfigError::BadUrl), "{url}");
    }
}

/// Replays recorded answers of OpenAI and llama.cpp.
#[test]
#[expect(clippy::disallowed_methods, reason = "recorded traffic lies outside the project")]
fn recorded_answers_decode_and_recorded_errors_are_told_apart() {
    let Ok(root) = std::env::var("WHISP_FIXTURES") else {
        // Past the test runner, which keeps what a passing test prints to itself.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"WHISP_FIXTURES is not set: recorded answers were left out\n",
        )
        .unwrap();
        return;
    };
    let mut seen = (0, 0);
    for provider in ["openai", "llamacpp"] {
        let folder = std::path::Path::new(&root).join("llm").join(provider);
        for case in std::fs::read_dir(folder).unwrap() {
            let case = case.unwrap().path();
            let (Ok(body), Ok(meta)) =
                (std::fs::read(case.join("response.json")), std::fs::read(case.join("meta.json")))
            else {
                continue;
            };
            let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
            let has = |feature: &str| meta["features"].as_array().unwrap().iter().any(|name| name == feature);
            let status = u16::try_from(meta["status"].as_u64().unwrap()).unwrap();
            let name = case.display();
            if status >= 400 {
                let text = String::from_utf8_lossy(&body);
                let expected = match status {
                    401 => ReplyErrorKind::Auth,
                    429 if text.contains("insufficient_quota") => ReplyErrorKind::Quota,
                    400 if text.contains("exceed_context_size_error") => ReplyErrorKind::TooLong,
                    429 => ReplyErrorKind::RateLimited,
                    500 | 503 => ReplyErrorKind::Unavailable,
                    _ => ReplyErrorKind::Invalid,
                };
                assert_eq!(wire::failure(status, &body, None).kind(), expected, "{name}");
                seen.1 += 1;
            } else if has("chat") {
                let kind = wire::answer(&body).map_err(|error| error.kind());
                match () {
                    () if has("refusal") => assert_eq!(kind, Err(ReplyErrorKind::Refused), "{name}"),
                    () if has("fin=length") => assert_eq!(kind, Err(ReplyErrorKind::Truncated), "{name}"),
                    () if has("fin=tool_calls") || has("fin=function_call") => {
                        assert_eq!(kind, Err(ReplyErrorKind::Malformed), "{name}");
                    }
                    () => assert!(kind.unwrap().1.output_tokens.is_some(), "{name}"),
                }
                seen.0 += 1;
            }
        }
    }
    assert!(seen.0 >= 15 && seen.1 >= 10, "{seen:?}");
}
