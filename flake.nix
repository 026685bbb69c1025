{
  description = "A 1:1 chat that one person can host, where messages wait for people";

  # The only input: this release's Rust is new enough, so no toolchain comes from elsewhere.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      # The version stands in Cargo.toml alone. So does the oldest Rust that will
      # do: given an older one, cargo stops before it compiles anything and says which it wants.
      inherit (lib.importTOML ./Cargo.toml) package;

      # What the package and the checks that run cargo have in common.
      crate = {
        inherit (package) version;
        # Only what cargo reads: an edit of the README rebuilds nothing.
        src = lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions [
            ./Cargo.toml
            ./Cargo.lock
            ./clippy.toml
            ./rustfmt.toml
            ./src
            ./tests
            ./benches
            ./examples
            ./share
          ];
        };
        # Crates by the checksums that Cargo.lock has already: no hash to renew by hand.
        cargoLock.lockFile = ./Cargo.lock;
      };

      meta = {
        inherit (package) description;
        license = with lib.licenses; [
          mit
          asl20
        ];
      };

      # Both programs, compiled together: they share nearly all their crates.
      tinychat =
        pkgs:
        pkgs.rustPlatform.buildRustPackage (
          crate
          // {
            pname = package.name;
            # Someone who only wants the programs does not wait for the tests; `checks.tests` runs them.
            doCheck = false;
            # The programs print their own manual pages, and what shells complete.
            postInstall = "sh ${crate.src}/share/pages $out/bin $out/share";
            meta = meta // {
              mainProgram = "tinychat";
            };
          }
        );

      # One program picked from that build, with what is its own, so that a host can have the server without the client.
      only =
        program: pages: pkgs:
        pkgs.runCommand "${program}-${package.version}"
          {
            meta = meta // {
              mainProgram = program;
            };
          }
          ''
            install -D -t $out/bin ${tinychat pkgs}/bin/${program}
            cd ${tinychat pkgs}
            for file in ${toString pages} share/*/*/{,_}${program}{,.fish}; do
              if [ -f "$file" ]; then install -D -m 644 "$file" "$out/$file"; fi
            done
          '';
      server = only "tinychat-server" [ "share/man/man8/*" "share/man/man7/*" ];
      client = only "tinychat" [ "share/man/man[157]/*" ];

      # A container that hosts a chat: `docker load < $(nix build --print-out-paths .#image)`, and then
      # `docker run -p 7878:7878 -v chat:/var/lib/tinychat-server tinychat-server:VERSION`.
      image =
        pkgs:
        let
          # Nobody's, inside and outside.
          user = "64878:64878";
          data = "var/lib/tinychat-server";
        in
        pkgs.dockerTools.buildLayeredImage {
          name = "tinychat-server";
          tag = package.version;
          contents = [ (server pkgs) ];
          # A new volume takes its owner from here.
          fakeRootCommands = ''
            mkdir -p ${data}
            chmod 700 ${data}
            chown ${user} ${data}
          '';
          config = {
            Entrypoint = [ "/bin/tinychat-server" ];
            Cmd = [
              "--listen"
              "[::]:7878"
              "--registration"
              "invite"
            ];
            # So commands find the folder, too: `docker exec CONTAINER tinychat-server invite`.
            Env = [
              "PATH=/bin"
              "XDG_DATA_HOME=/var/lib"
            ];
            User = user;
            ExposedPorts."7878/tcp" = { };
            Volumes."/${data}" = { };
          };
        };
    in
    {
      packages = eachSystem (
        pkgs:
        {
          default = tinychat pkgs;
          server = server pkgs;
          client = client pkgs;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          image = image pkgs;
          # Not one of the checks: it needs KVM. `just vm` runs it.
          vm-test = pkgs.testers.runNixOSTest (import ./tests/nixos.nix self);
        }
      );

      overlays.default = final: _: {
        tinychat = tinychat final;
        tinychat-server = server final;
      };

      # `services.tinychat.enable = true`, and what else share/nixos/module.nix has.
      nixosModules.default =
        { pkgs, ... }:
        {
          imports = [ ./share/nixos/module.nix ];
          services.tinychat.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.server;
        };

      # `nix run .#server -- --help`, `nix run .#client -- --help`
      apps = eachSystem (
        pkgs:
        let
          app = text: program: {
            type = "app";
            program = lib.getExe program;
            meta.description = text;
          };
          inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) server client;
        in
        {
          server = app "Host a TinyChat" server;
          client = app "Chat with one person" client;
        }
      );

      # `nix develop`: all that the justfile calls, and what helps to look inside.
      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = with pkgs; [
            cargo
            rustc
            clippy
            rustfmt
            rust-analyzer
            cargo-nextest
            just
            openssh # ssh-keygen, which the tests hold our signatures against
            openssl # `openssl s_client`, with which the tests sign in by hand
            sqlite # to look into a data folder
            tmux # two clients side by side
          ];
        };
      });

      # `nix flake check`: one derivation each, so that what fails has a name.
      checks = eachSystem (pkgs: {
        inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) server client;

        # The profile of a plain `cargo test`, with overflow checks and debug assertions.
        tests = pkgs.rustPlatform.buildRustPackage (
          crate
          // {
            pname = "${package.name}-tests";
            dontBuild = true; # `cargo test` builds what it runs
            checkType = "debug";
            nativeCheckInputs = with pkgs; [
              openssh
              openssl
            ];
            preCheck = ''
              export HOME=$(mktemp -d)
            '';
            # macOS's sandbox has no loopback unless asked; that of Linux has one of its own.
            __darwinAllowLocalNetworking = true;
            installPhase = "touch $out";
          }
        );

        clippy = pkgs.rustPlatform.buildRustPackage (
          crate
          // {
            pname = "${package.name}-clippy";
            nativeBuildInputs = [ pkgs.clippy ];
            buildPhase = "cargo clippy --offline --all-targets -- --deny warnings";
            doCheck = false;
            installPhase = "touch $out";
          }
        );

        fmt =
          pkgs.runCommand "${package.name}-fmt"
            {
              nativeBuildInputs = with pkgs; [
                cargo
                rustfmt
              ];
            }
            ''
              cargo fmt --check --manifest-path ${crate.src}/Cargo.toml
              touch $out
            '';
      });

      # `nix fmt`: the Nix files. Rust's are for `cargo fmt`.
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
