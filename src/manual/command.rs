//! A program's command line as sections of its page.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};
use roff::{Inline, Roff, bold, italic, roman};

use super::markdown::inline;

/// How the program is called: alone, and with each of its commands.
pub(super) fn write_synopsis(page: &mut Roff, name: &str, info: &CommandInfoWithArgs) {
    page.control("SH", ["SYNOPSIS"]);
    page.text(call(name, info));
    for (command, info) in commands(name, info) {
        page.control("br", []).text(call(&command, info));
    }
}

/// The options that the program takes itself.
pub(super) fn write_options(page: &mut Roff, info: &CommandInfoWithArgs) {
    page.control("SH", ["OPTIONS"]);
    info.flags.iter().filter(|flag| !flag.hidden).for_each(|flag| write_flag(page, flag));
}

/// Its commands, each with what it takes.
pub(super) fn write_commands(page: &mut Roff, name: &str, info: &CommandInfoWithArgs) {
    page.control("SH", ["COMMANDS"]);
    for (command, info) in commands(name, info) {
        page.control("SS", [&*command]);
        page.text(inline(info.description));
        for positional in info.positionals.iter().filter(|it| !it.hidden) {
            let what = [italic(positional.name)];
            page.control("TP", []).text(what).text(inline(positional.description));
        }
        let own = info.flags.iter().filter(|it| !it.hidden && it.long != "--help");
        own.for_each(|flag| write_flag(page, flag));
    }
}

/// All commands that do something, those of commands too, as they are typed.
fn commands<'a>(
    name: &str,
    info: &'a CommandInfoWithArgs,
) -> Vec<(String, &'a CommandInfoWithArgs)> {
    let mut all = Vec::new();
    for command in &info.commands {
        let name = format!("{name} {}", command.name);
        match command.command.commands.is_empty() {
            true => all.push((name, &command.command)),
            false => all.extend(commands(&name, &command.command)),
        }
    }
    all
}

fn call(command: &str, info: &CommandInfoWithArgs) -> Vec<Inline> {
    let mut call = vec![bold(command), roman(" ["), italic("options"), roman("]")];
    for positional in info.positionals.iter().filter(|it| !it.hidden) {
        call.extend(argument(positional));
    }
    call
}

fn argument(PositionalInfo { name, optionality, .. }: &PositionalInfo) -> Vec<Inline> {
    match optionality {
        Optionality::Required => vec![roman(" "), italic(*name)],
        Optionality::Optional => vec![roman(" ["), italic(*name), roman("]")],
        Optionality::Repeating | Optionality::Greedy => {
            vec![roman(" ["), italic(*name), roman(" ...]")]
        }
    }
}

fn write_flag(page: &mut Roff, FlagInfo { kind, long, description, .. }: &FlagInfo) {
    let mut flag = vec![bold(*long)];
    if let FlagInfoKind::Option { arg_name } = kind {
        flag.extend([roman(" "), italic(*arg_name)]);
    }
    page.control("TP", []).text(flag).text(inline(description));
}
