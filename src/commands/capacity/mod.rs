//! `posthaste capacity`: the highest load that keeps an objective.

mod asked;
mod progress;

use crate::cli::CapacityArgs;
use crate::commands::complain;
use crate::commands::report::stdout_style;
use crate::commands::run::observed::Source;
use crate::commands::run::print;
use crate::commands::run::trust::trust;
use crate::commands::signals::stop_of_study;
use crate::exit_code;
use crate::judge::capacity::CapacitySummary;
use crate::report::{Style, capacity_csv, capacity_html, capacity_markdown, capacity_terminal};
use crate::results::{ResultsError, StudyFolder};
use crate::study::capacity::{Idle, NoSearch, Search, search};
use progress::Progress;

/// Width of a text that no terminal shows.
const FILE_WIDTH: usize = 100;

/// Searches, prints the result and returns the exit code.
pub fn run(args: &CapacityArgs) -> anyhow::Result<u8> {
    let asked = match asked::read(args) {
        Ok(asked) => asked,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let folder = asked.folder(args)?;
    let resumed_by = format!("posthaste capacity --resume {}", folder.path().display());
    let (stop, children) =
        stop_of_study(format!("ending this probe; once more to leave at once; {resumed_by} goes on"))?;
    let progress = Progress::new(args, &asked.settings);
    let trust = trust(&args.aim.reach, None)?;
    let source = asked.observe.clone().map(|named| Source::Named(named, trust.clone()));
    let cpu_us = || source.as_ref()?.read().ok().map(|usage| usage.cpu_us);
    let idle = match (&asked.about.url, &source) {
        (None, _) => Idle::AlwaysNew,
        (Some(_), Some(_)) => Idle::ByCpu(&cpu_us),
        (Some(_), None) => Idle::Unknown,
    };
    let wanted = Search {
        about: asked.about,
        settings: asked.settings,
        folder: &folder,
        children: &children,
        idle,
        stop: &stop,
        told: &|event| progress.tell(&event),
    };
    let found = search(&wanted, asked.probes, asked.recovery);
    progress.finish();
    let summary = match found {
        Ok(summary) => summary,
        Err(NoSearch::Results(error)) => return Err(error.into()),
        Err(NoSearch::NoRun(no_run)) => {
            complain(&no_run.said);
            return Ok(no_run.code.unwrap_or(exit_code::INTERNAL));
        }
    };
    let shown = folder.path().display().to_string();
    write_texts(&folder, &summary, &shown)?;
    if args.json {
        print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
    } else {
        print(&capacity_terminal(&summary, &shown, stdout_style()))?;
    }
    Ok(summary.exit_code)
}

fn write_texts(folder: &StudyFolder, summary: &CapacitySummary, shown: &str) -> Result<(), ResultsError> {
    folder.write_text("capacity.md", &capacity_markdown(summary))?;
    folder.write_text("capacity.html", &capacity_html(summary))?;
    folder.write_text("capacity.csv", &capacity_csv(summary))?;
    let plain = Style { colour: false, width: FILE_WIDTH };
    folder.write_text("capacity.txt", &capacity_terminal(summary, shown, plain))
}
