//! The local stack from the command line: `stack up`, `down`, `status`, `env`, `with <command>`,
//! `bare <command>`, `invoke <function> <event file>`.

use anyhow::{Result, bail};
use mayfly_local_stack::stack::{Ground, Places, Stack, down, invoke, running, status, up, with};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words).await {
        Ok(code) => code,
        Err(why) => {
            // The chain of reasons; a backtrace tells nothing to anyone who typed the command.
            eprintln!("{why:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[&str]) -> Result<ExitCode> {
    let places = &Places::of_repository()?;
    match words {
        ["up"] => {
            let begun = Instant::now();
            let stack = up(places, Ground::Whole).await?;
            say(format_args!(
                "up after {:.1} s: {}",
                begun.elapsed().as_secs_f64(),
                places.description().display()
            ));
            say(format_args!(
                "webhook {}\ngithub  {}\naws     {}",
                stack.webhook_url, stack.github_url, stack.aws_endpoint
            ));
            say(
                "to use it from this shell: eval \"$(make -s env)\", then for example: mayfly status",
            );
        }
        ["down"] => say(format_args!(
            "down: {} processes ended",
            down(places).await?
        )),
        ["status"] => {
            let stack = status(places).await?;
            say(format_args!("{}", serde_json::to_string_pretty(&stack)?));
            say(format_args!("up, {} processes", running(places)?));
        }
        ["env"] => say(Stack::read(places)?.shell_environment(places)),
        ["invoke", function, event] => {
            let (answer, failed) = invoke(places, function, Path::new(event)).await?;
            say(format_args!("{}", serde_json::to_string_pretty(&answer)?));
            return Ok(if failed {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
        [how @ ("with" | "bare"), program, arguments @ ..] => {
            let ground = if *how == "bare" {
                Ground::Bare
            } else {
                Ground::Whole
            };
            let code = with(places, ground, program, arguments).await?.code();
            // A signal has no code; any failure will do.
            return Ok(code
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from));
        }
        _ => bail!(
            "usage: stack up | down | status | env | with <command> | bare <command> | invoke <function> <event file>"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Anyone who reads may stop reading (`| head`): that is no failure.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
