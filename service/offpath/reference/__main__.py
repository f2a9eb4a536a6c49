from offpath.reference.pages import main

raise SystemExit(main())
