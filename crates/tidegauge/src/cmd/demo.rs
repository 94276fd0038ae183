//! `tidegauge demo`: everything at work, without a key or a network.
//!
//! A simulated provider, the proxy before it, traffic through the proxy, and a table of what the
//! proxy measured. With `--once` time is compressed, and the table is drawn when all calls are over.

use std::io::{IsTerminal as _, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tidegauge_core::{Dropped, Health};
use tidegauge_measure::Span;
use tidegauge_proxy::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cli::DemoArgs;
use crate::config::{Mistakes, Outside, Overrides, Resolved, Typed, resolve};
use crate::demo::{Captions, Options, Screen, Sent, UPSTREAMS, Upstream, render, run as send};
use crate::serve::{Plane, Running, start};
use crate::signals::{Heard, Signals};
use crate::sinks::Live;
use crate::{log, welcome};

use super::Exit;
use super::serve::runtime;

/// Runs until the calls are over, or a signal.
pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut options = Options::new(args.seed, args.once);
    options.rate = args.rate.unwrap_or(options.rate);
    runtime()?.block_on(show(args, options, out))
}

async fn show(args: &DemoArgs, options: Options, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let upstream = Upstream::start(options.seed, options.speed).await?;
    let resolved = resolved(args, upstream.address())?;
    let plane = Plane::start(&resolved)?;
    log::start(&resolved.config.log, &plane.telemetry);
    let running = start(&resolved, plane, Clock::compressed(options.speed)).await?;

    let stop = CancellationToken::new();
    let heard = Heard {
        stopper: running.stopper(),
        reload: Arc::new(Notify::new()),
        recorder: None,
        configured: false,
    };
    running.spawn(heard.obey(Signals::listen(), stop.clone()));
    let mut lines = Vec::new();
    welcome::print(&running, &resolved, &mut lines)?;
    out.write_all(&lines)?;
    let mut captions = Captions { overhead: options.speed == 1, ..Captions::default() };
    let terminal = std::io::stdout().is_terminal();
    if terminal {
        // The screen is cleared at the first drawing.
        captions.above = String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect();
    }
    let mut screen = Screen::new(out, terminal);

    let sent = drive(&options, &running, &captions, &mut screen).await?;
    let (live, health) = (Arc::clone(running.live()), Arc::clone(running.health()));
    running.shutdown();
    running.wait_with(stop).await?;
    let below = vec![summary(sent, &health)];
    screen.draw(&table(&live, &options, &Captions { below, ..captions }))?;
    Ok(Exit::Well)
}

/// Sends the calls and draws what is measured meanwhile.
async fn drive(
    options: &Options,
    running: &Running,
    captions: &Captions,
    screen: &mut Screen<&mut dyn Write>,
) -> anyhow::Result<Sent> {
    let (stop, stopper) = (CancellationToken::new(), running.stopper());
    let mut sending = pin!(send(options, running.proxy_addr(), &stop));
    let mut tick = tokio::time::interval(screen.interval());
    loop {
        tokio::select! {
            sent = &mut sending => return Ok(sent),
            () = stopper.asked(), if !stop.is_cancelled() => stop.cancel(),
            _ = tick.tick(), if options.once.is_none() => {
                screen.draw(&table(running.live(), options, captions))?;
            }
        }
    }
}

/// The whole run, or the last minutes of one that goes on.
fn table(live: &Live, options: &Options, captions: &Captions) -> String {
    let span = if options.once.is_some() { Span::Hour } else { Span::FiveMinutes };
    render(&live.rows(span), captions)
}

/// What the clients saw against what the books say.
fn summary(sent: Sent, health: &Health) -> String {
    let lost: u64 = Dropped::ALL.iter().map(|why| health.records_lost(*why)).sum();
    format!(
        "Clients made {} calls: {} refused, {} broken off, {} left early. The proxy took {} and made \
         {} records; {lost} were lost.",
        sent.calls,
        sent.refused,
        sent.broken,
        sent.left,
        health.accepted(),
        health.records(),
    )
}

/// The configuration of the demo: usage is asked for, and the table has the screen for itself. What
/// is set in the environment for telemetry holds here too.
fn resolved(args: &DemoArgs, upstream: SocketAddr) -> Result<Resolved, Mistakes> {
    let usage = UPSTREAMS.map(|name| format!("{name}: {{ usage: inject }}")).join(", ");
    let text = format!("upstreams: {{ {usage} }}\nlog: {{ level: warn }}\n");
    let flags = Overrides {
        listen: Some(args.listen.clone()),
        console: Some(args.console.clone()),
        upstreams: UPSTREAMS.map(|name| format!("{name}=http://{upstream}")).to_vec(),
        ..Overrides::default()
    };
    resolve(Typed { file: Some(("demo", &text)), flags: &flags }, &Outside::real())
}

#[cfg(test)]
mod tests;
