//! A described target, compiled: everything that a profile without a native wire
//! says.

use super::frames::Rules;
use super::pages::History;
use super::request::Request;
use super::request::RequestWritten;
use super::send::Sending;
use super::step::Step;
use super::template::{Escape, Template};
use super::variables::{CHANNEL_ID, Names, Variable};
use super::written::{
    ConnectionPer, Do, Per, ReceiveWritten, ResumeWritten, RuleWritten, StepWritten, Texts, Transport, VariableFrom,
    VariableWritten, Written,
};
use super::{TargetError, place};
use std::ops::Range;
use toml::Spanned;

/// A described target, compiled.
#[derive(Clone, Debug)]
pub struct Described {
    /// The names of its variables.
    pub names: Names,
    /// What the user may give, in the order of the slots.
    pub given: Vec<GivenVariable>,
    /// The columns that a file of users must have.
    pub columns: Vec<String>,
    /// Set-up, in its order.
    pub setup: Vec<Step>,
    /// How a user comes to a token.
    pub login: Vec<Step>,
    /// At every connect.
    pub boot: Vec<Step>,
    /// How a user joins a channel.
    pub join: Vec<Step>,
    /// How a user leaves one.
    pub leave: Vec<Step>,
    /// After the run.
    pub cleanup: Vec<Step>,
    /// Is the target there?
    pub greet: Option<Step>,
    /// How messages are sent.
    pub send: Sending,
    /// How others hear of them.
    pub receive: Receiving,
    /// How history is read, if there is one.
    pub history: Option<History>,
}

/// A variable that the user may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenVariable {
    /// Its name behind `var.`.
    pub name: String,
    /// Where it comes from.
    pub from: GivenFrom,
    /// For the error where it is missing.
    pub help: Option<String>,
}

/// Where a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenFrom {
    /// `--var`, or else this.
    Flag(Option<String>),
    /// An environment variable: a secret.
    Env(String),
    /// A file: a secret.
    File(String),
}

/// How others hear of messages, compiled.
#[derive(Clone, Debug)]
pub struct Receiving {
    /// How they come.
    pub transport: Transport,
    /// For what a connection is.
    pub per: ConnectionPer,
    /// The handshake, or the request of a stream.
    pub open_request: Request,
    /// `Sec-WebSocket-Protocol`.
    pub protocol: Option<String>,
    /// What stands between the ids of `{{channels}}`.
    pub join: String,
    /// Frames that the client sends first.
    pub open: Vec<Template>,
    /// A frame for each channel.
    pub subscribe: Option<Template>,
    /// How long the answer of a long poll may take, in µs.
    pub poll_timeout_us: u64,
    /// What frames mean.
    pub rules: Rules,
    /// Signs of life.
    pub heartbeat: Option<Heartbeat>,
    /// How a lost connection is resumed.
    pub resume: Option<Resuming>,
    /// That the connection is open confirms the subscription.
    pub ready_when_open: bool,
    /// What close codes mean: fatal, or whether the connection is resumed.
    pub close: Vec<(Vec<u16>, Do, bool)>,
}

/// Signs of life, compiled.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The frame; a ping of the WebSocket without one.
    pub frame: Option<Template>,
    /// How often.
    pub every: Every,
    /// Only where nothing else came.
    pub only_idle: bool,
}

/// How often a heartbeat is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// As the workload says.
    Workload,
    /// In µs.
    Fixed(u64),
    /// The variable that has it in ms.
    Captured(Variable),
}

/// How a lost connection is resumed, compiled.
#[derive(Clone, Debug)]
pub struct Resuming {
    /// What must have been captured.
    pub needs: Vec<Variable>,
    /// The handshake.
    pub open_request: Request,
    /// Frames that the client sends first.
    pub open: Vec<Template>,
}

/// Compiles tables; every error has its place in the text.
struct Compiling<'t> {
    text: &'t str,
    file: &'t str,
}

impl Compiling<'_> {
    fn error(&self, span: Range<usize>, section: &str, words: &str) -> TargetError {
        TargetError(format!("{}:{}: {section}: {words}", self.file, place(self.text, span, words)))
    }

    fn at<T>(&self, span: Range<usize>, section: &str, result: Result<T, String>) -> Result<T, TargetError> {
        result.map_err(|words| self.error(span, section, &words))
    }

    fn steps(&self, section: &str, written: &[Spanned<StepWritten>], names: &Names) -> Result<Vec<Step>, TargetError> {
        let step = |step: &Spanned<StepWritten>| {
            let written = step.get_ref();
            let compiled = Step::compile(written, names).and_then(|compiled| match section {
                "setup" | "cleanup" if written.per.is_none() => {
                    Err("per is missing: \"run\", \"user\", \"channel\" or \"membership\"".to_owned())
                }
                "setup" | "cleanup" => Ok(compiled),
                _ if written.per.is_some() => Err("per is for [[setup]] and [[cleanup]]".to_owned()),
                _ => Ok(compiled),
            });
            let compiled = compiled.and_then(|compiled| check_captures(section, &compiled, names).map(|()| compiled));
            self.at(step.span(), section, compiled)
        };
        written.iter().map(step).collect()
    }
}

/// What a step captures is kept where the step belongs.
fn check_captures(section: &str, step: &Step, names: &Names) -> Result<(), String> {
    let keeps: fn(&Variable) -> bool = match (section, step.per) {
        ("setup", Per::Run) => |variable| matches!(variable, Variable::Run(_)),
        ("setup", Per::User) | ("login", _) => |variable| matches!(variable, Variable::User(_)),
        ("setup", Per::Channel | Per::Membership) => |variable| matches!(variable, Variable::Channel(_)),
        ("boot", _) => |variable| matches!(variable, Variable::Conn(_)),
        _ => |_| false,
    };
    match step.captures().find(|variable| !keeps(variable)) {
        Some(lost) => Err(format!("capture {}: this step cannot keep it", names.name(lost))),
        None => Ok(()),
    }
}

impl Described {
    /// Compiles a profile as written; `text` and `file` give errors their place.
    pub(super) fn compile(written: &Written, text: &str, file: &str) -> Result<Self, TargetError> {
        let compiling = Compiling { text, file };
        let names = names(written, &compiling)?;
        let missing = |section: &str| TargetError(format!("{file}: [{section}] is missing"));
        let send = written.send.as_ref().ok_or_else(|| missing("send"))?;
        let receive = written.receive.as_ref().ok_or_else(|| missing("receive"))?;
        let history = written
            .history
            .as_ref()
            .map(|history| compiling.at(history.span(), "history", History::compile(history.get_ref(), &names)));
        let greet = written
            .greet
            .as_ref()
            .map(|greet| compiling.at(greet.span(), "greet", Step::compile(greet.get_ref(), &names)));
        Ok(Self {
            given: written.variables.iter().map(|(name, variable)| given(name, variable)).collect(),
            columns: written.users.columns.clone(),
            setup: compiling.steps("setup", &written.setup, &names)?,
            login: compiling.steps("login", &written.login, &names)?,
            boot: compiling.steps("boot", &written.boot, &names)?,
            join: compiling.steps("join", &written.join, &names)?,
            leave: compiling.steps("leave", &written.leave, &names)?,
            cleanup: compiling.steps("cleanup", &written.cleanup, &names)?,
            greet: greet.transpose()?,
            send: compiling.at(
                send.span(),
                "send",
                Sending::compile(send.get_ref(), &names, !written.login.is_empty()),
            )?,
            receive: Receiving::compile(receive, &names, &compiling)?,
            history: history.transpose()?,
            names,
        })
    }

    /// The steps of users that are made before those of channels: the token that
    /// the channels are made with comes in between.
    pub fn first_channel_step(&self) -> usize {
        let of_channels = |step: &Step| matches!(step.per, Per::Channel | Per::Membership);
        self.setup.iter().position(of_channels).unwrap_or(self.setup.len())
    }
}

/// The names that a profile gives values to.
fn names(written: &Written, compiling: &Compiling<'_>) -> Result<Names, TargetError> {
    let mut names = Names {
        given: written.variables.keys().cloned().collect(),
        user: written.users.columns.clone(),
        channel: vec!["id".to_owned()],
        ..Names::default()
    };
    debug_assert_eq!(CHANNEL_ID, 0);
    let steps = [&written.setup, &written.login, &written.boot, &written.join, &written.leave, &written.cleanup];
    for step in steps.into_iter().flatten() {
        for name in step.get_ref().capture.keys().chain(step.get_ref().set.keys()) {
            compiling.at(step.span(), "capture", names.captured(name).map(|_| ()))?;
        }
    }
    for rule in written.receive.iter().flat_map(|receive| &receive.get_ref().rule) {
        for name in rule.get_ref().capture.keys() {
            compiling.at(rule.span(), "capture", names.captured(name).map(|_| ()))?;
        }
    }
    Ok(names)
}

fn given(name: &str, variable: &VariableWritten) -> GivenVariable {
    let (from, help) = match variable {
        VariableWritten::Default(default) => (GivenFrom::Flag(Some(default.clone())), None),
        VariableWritten::From(VariableFrom { env: Some(env), help, .. }) => (GivenFrom::Env(env.clone()), help.clone()),
        VariableWritten::From(VariableFrom { file: Some(file), help, .. }) => {
            (GivenFrom::File(file.clone()), help.clone())
        }
        VariableWritten::From(VariableFrom { help, .. }) => (GivenFrom::Flag(None), help.clone()),
    };
    GivenVariable { name: name.to_owned(), from, help }
}

impl Receiving {
    fn compile(
        written: &Spanned<ReceiveWritten>,
        names: &Names,
        compiling: &Compiling<'_>,
    ) -> Result<Self, TargetError> {
        let (span, receive) = (written.span(), written.get_ref());
        let in_words = |result: Result<Self, String>| compiling.at(span.clone(), "receive", result);
        let rules: Vec<RuleWritten> = receive.rule.iter().map(|rule| rule.get_ref().clone()).collect();
        let rules =
            Rules::compile(receive.transport, receive.codec, &rules, names, &time_us).map_err(|(rank, words)| {
                compiling.error(receive.rule[rank].span(), &format!("receive.rule {}", rank + 1), &words)
            })?;
        in_words(Self::with_rules(receive, rules, names))
    }

    fn with_rules(written: &ReceiveWritten, rules: Rules, names: &Names) -> Result<Self, String> {
        if written.url.is_none() && written.transport != Transport::None {
            return Err("url is missing: where do messages come from?".to_owned());
        }
        if !rules.have(Do::Deliver) && written.transport != Transport::None {
            return Err("no [[receive.rule]] has do = \"deliver\": which frame is a message?".to_owned());
        }
        if written.transport == Transport::Ws && written.method.is_some() {
            return Err("method is for streams and long polls: a handshake of a WebSocket is a GET".to_owned());
        }
        let open_request = handshake(written, None, names)?;
        let open = templates(&written.open, names)?;
        let resume = written.resume.as_ref().map(|resume| {
            Ok::<_, String>(Resuming {
                needs: resume.needs.iter().map(|name| names.variable(name)).collect::<Result<_, String>>()?,
                open_request: handshake(written, Some(resume), names)?,
                open: resume.open.as_ref().map_or(Ok(open.clone()), |open| templates(open, names))?,
            })
        });
        Ok(Self {
            transport: written.transport,
            per: written.per,
            open_request,
            protocol: written.protocol.clone(),
            join: written.join.clone().unwrap_or_else(|| ",".to_owned()),
            subscribe: written
                .subscribe
                .as_deref()
                .map(|frame| Template::compile(frame, names, Escape::No))
                .transpose()?,
            poll_timeout_us: written.timeout.as_deref().map_or(Ok(60_000_000), time_us)?,
            rules,
            heartbeat: written.heartbeat.as_ref().map(|heartbeat| Heartbeat::compile(heartbeat, names)).transpose()?,
            resume: resume.transpose()?.filter(|_| written.transport != Transport::None),
            ready_when_open: written.ready.is_some(),
            close: written.close.iter().map(|close| (close.code.clone(), close.deed, close.resume)).collect(),
            open,
        })
    }

    /// Whether something tells that a subscription stands.
    pub fn is_confirmed(&self) -> bool {
        self.ready_when_open || self.waits_for_confirmation()
    }

    /// Whether a frame tells it.
    pub fn waits_for_confirmation(&self) -> bool {
        !self.ready_when_open && [Do::Ready, Do::Subscribed].into_iter().any(|deed| self.rules.have(deed))
    }

    /// What a close code means.
    pub fn closed_with(&self, code: u16) -> Option<(Do, bool)> {
        let (_, deed, resume) = self.close.iter().find(|(codes, ..)| codes.contains(&code))?;
        Some((*deed, *resume))
    }
}

/// What a connection is opened with; what resumes one takes the place of it.
fn handshake(written: &ReceiveWritten, resume: Option<&ResumeWritten>, names: &Names) -> Result<Request, String> {
    let of = |resumed: fn(&ResumeWritten) -> Option<&Texts>, usual: &Texts| {
        resume.and_then(resumed).unwrap_or(usual).clone()
    };
    let rest = RequestWritten {
        query: of(|resume| resume.query.as_ref(), &written.query),
        headers: of(|resume| resume.headers.as_ref(), &written.headers),
        json: resume.and_then(|resume| resume.json.clone()).or_else(|| written.json.clone()),
        form: resume.and_then(|resume| resume.form.clone()).or_else(|| written.form.clone()),
        body: resume.and_then(|resume| resume.body.clone()).or_else(|| written.body.clone()),
        signature: written.signature.clone(),
        request: None,
    };
    let url = resume.and_then(|resume| resume.url.as_deref()).or(written.url.as_deref()).unwrap_or("/");
    Request::to(written.method.as_deref(), url, &rest, names)
}

fn templates(texts: &[String], names: &Names) -> Result<Vec<Template>, String> {
    texts.iter().map(|text| Template::compile(text, names, Escape::No)).collect()
}

impl Heartbeat {
    fn compile(written: &super::written::HeartbeatWritten, names: &Names) -> Result<Self, String> {
        if written.frame.is_some() == written.control {
            return Err("receive.heartbeat needs frame = \"…\", or control = true".to_owned());
        }
        let every = match written.every.as_deref() {
            None => Every::Workload,
            Some(text) if text.starts_with("conn.") => Every::Captured(names.variable(text)?),
            Some(text) => Every::Fixed(time_us(text)?),
        };
        let frame = written.frame.as_deref().map(|frame| Template::compile(frame, names, Escape::No)).transpose()?;
        Ok(Self { frame, every, only_idle: written.only_idle })
    }
}

/// "25s" or "500ms" in µs.
pub(super) fn time_us(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(format!("{text:?} is no duration; write \"500ms\" or \"2s\"")),
    };
    let number = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| format!("{text:?} is no duration; write \"500ms\" or \"2s\""))
}
