"""One job: its file (`config`, read by `yaml_reader`, checked by `validation`), its folder (`workspace`), its `takedowns`."""
